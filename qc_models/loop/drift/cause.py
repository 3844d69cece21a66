"""Which of four causes explains the alarms: the most upstream one that the bad records carry the mark of.

Source before bot and application before model: a changed format makes bots fail and scores move, a moved score makes
nothing fail. A downstream alarm is put down to an upstream one only where the same records show both.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from qc_models.loop.drift.monitor import WINDOW
from qc_models.loop.drift.state import State
from qc_models.loop.drift.views import said

Cause = Literal["source", "application", "bot", "model"]
HALF = 0.5
_SURE = 1e-4
NAMES = {"source": "source format", "application": "application", "bot": "bot", "model": "model"}


@dataclass(frozen=True)
class Named:
    """The cause and what speaks for it, strongest first."""

    cause: Cause
    evidence: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Say it for people."""
        return f"{NAMES[self.cause]}: {'; '.join(self.evidence[:3])}"


def name(state: State) -> Named | None:
    """Name the cause of what is alarmed; None while nothing is."""
    if not state.alarmed:
        return None
    work = [sign for sign in ("failing", "mismatch", "refused", "shape") if state.signs[sign].on]
    shown = state.shown.alarms()
    marks = {*work, *(["shown"] if shown else [])}
    bad = [row for row in state.rows if marks & set(row["bad"])]
    from_source = _source(state)
    if from_source and (not bad or sum(row["source"] for row in bad) >= HALF * len(bad)):
        return Named("source", from_source)
    if marks:
        cause, why = _bot_or_application(state, marks, bad)
        seen = [f"{_often(state, sign)}" for sign in work] + [said(*one) for one in shown]
        return Named(cause, (*why, *seen))
    if from_source:
        return Named("source", from_source)
    return Named("model", _model(state))


def _source(state: State) -> tuple[str, ...]:
    found = [said(*one) for one in state.inputs.alarms()]
    if state.signs["invalid"].on:
        field = Counter(state.bad_fields).most_common(1)[0][0] if state.bad_fields else ""
        found.append(f"{field or 'the record'} breaks the record contract {state.signs['invalid'].told}")
    return tuple(found)


def _often(state: State, sign: str) -> str:
    reasons = Counter(row["why"] for row in state.rows if sign in row["bad"] and row["why"])
    reason = reasons.most_common(1)[0][0] if reasons else {"shape": "the record shows other fields"}.get(sign, sign)
    return f"{reason} {state.signs[sign].told}"


def _bot_or_application(state: State, marks: set[str], bad: list[dict[str, Any]]) -> tuple[Cause, tuple[str, ...]]:
    """Look who the bad records have in common: a version of the application, a version of the bot, one worker."""
    ties = {kind: _tie(state, kind, bad) for kind in ("app", "bot")}
    if ties["app"] and ties["app"][0] >= (ties["bot"][0] if ties["bot"] else 0.0):
        return "application", (f"since version {ties['app'][1]} of the application",)
    if ties["bot"]:
        return "bot", (f"since version {ties['bot'][1]} of the bot",)
    began = max(state.signs[sign].rise for sign in marks & set(state.signs)) if marks & set(state.signs) else WINDOW
    worker = _one_worker(state.rows[-began:], marks)
    if worker:
        return "bot", (f"at worker {worker} alone",)
    return ("bot" if marks == {"mismatch"} else "application"), ()


def _tie(state: State, kind: str, bad: list[dict[str, Any]]) -> tuple[float, str] | None:
    """Return how much more often records of a new version are bad, and the version; None if most bad ones have none."""
    known = [row[kind] for row in bad if row[kind]]
    fresh = [version for version in known if state.is_new(kind, version)]
    if not fresh or len(fresh) < HALF * len(known):
        return None
    version = Counter(fresh).most_common(1)[0][0]
    mine = [row in bad for row in state.rows if row[kind] == version]
    others = [row in bad for row in state.rows if row[kind] != version]
    return sum(mine) / len(mine) - (sum(others) / len(others) if others else 0.0), str(version)


def _one_worker(rows: list[dict[str, Any]], marks: set[str]) -> str | None:
    """Return the worker that alone is bad, if the others' records prove it (R. A. Fisher's exact test)."""
    counts = Counter((row["worker"], bool(marks & set(row["bad"]))) for row in rows)
    workers = {worker for worker, _ in counts}
    if len(workers) < 2:  # noqa: PLR2004 - it takes another to compare with
        return None
    from scipy.stats import fisher_exact  # noqa: PLC0415 - a second of import that only an alarm should pay

    worst = max(workers, key=lambda worker: counts[worker, True])
    others = [sum(counts[worker, bad] for worker in workers - {worst}) for bad in (True, False)]
    table = [[counts[worst, True], counts[worst, False]], others]
    chance = float(fisher_exact(table, alternative="greater").pvalue)
    return worst if chance < _SURE / len(workers) else None


def _model(state: State) -> tuple[str, ...]:
    version = state.model[1] if state.model else None
    found = [f"since version {version} of the model"] if state.is_new("model", version) else []
    if state.signs["audit"].on:
        audits = state.signs["audit"]
        found.append(f"passed outputs were found wrong in {audits.seen} of the last {len(audits.window)} audits, "
                     f"{audits.k:,} of {audits.n:,} before")  # fmt: skip
    for _, kind, view in state.score.alarms():
        found.append(f"scores are unusually {kind} {view.monitor.told}, with inputs as usual")
    return tuple(found)
