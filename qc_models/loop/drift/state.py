"""Everything the watch over one workflow remembers, and how a record, an attempt or an audit changes it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from engine.ledger.drift_facts import Entered, Worked
from engine.ledger.protocol import OURS
from qc_models.loop.drift.forms import flat, token
from qc_models.loop.drift.monitor import LEAST, WINDOW, Monitor
from qc_models.loop.drift.views import LEARN, Views

RECORDS_PER_FALSE_ALARM = 100_000
"""Records that pass on average between two false alarms of all signs together, at least."""
SIGNS = ("invalid", "failing", "mismatch", "refused", "shape", "audit")
MODEL_VIEWS = ("high", "low")
SHOWN_VIEWS = ("missing", "pattern")


@dataclass
class State:
    """JSON-able, some ten kilobytes a workflow; no value of a record is in it."""

    looks: int = 0
    run: int = 0
    draw: float = -1.0
    attempt: int = 0
    waiting: list[int] = field(default_factory=list)
    review: int = 0
    inputs: Views = field(default_factory=Views)
    shown: Views = field(default_factory=Views)
    score: Views = field(default_factory=Views)
    model: tuple[str, str] | None = None
    """Name and version of the model that scored last."""
    blamed: tuple[str, str] | None = None
    """Name and version of the model that had passed what raised the alarm of the audits; they come late."""
    signs: dict[str, Monitor] = field(default_factory=lambda: {name: Monitor() for name in SIGNS})
    shapes: dict[str, int] = field(default_factory=dict)
    bad_fields: list[str] = field(default_factory=list)
    """Fields of the last invalid records."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """The last attempts: what was bad of each, and who did it."""
    count: int = 0
    first: dict[str, int] = field(default_factory=dict)
    """When each version of application and bot was first seen, in attempts."""
    open: dict[str, str] | None = None
    """Cause and key of the incident that stands open."""

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> State:
        """Restore it from JSON."""
        views = {name: Views.from_dict(stored[name]) for name in ("inputs", "shown", "score")}
        signs = {name: Monitor(**stored["signs"].get(name, {})) for name in SIGNS}
        models = {name: tuple(stored[name]) if stored.get(name) else None for name in ("model", "blamed")}
        return cls(**{**stored, **views, "signs": signs, **models})

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        views = {name: getattr(self, name).to_dict() for name in ("inputs", "shown", "score")}
        signs = {name: asdict(monitor) for name, monitor in self.signs.items()}
        return {**vars(self), **views, "signs": signs}

    def again(self) -> State:
        """Start over from here: what is now is usual."""
        places = ("looks", "run", "draw", "attempt", "waiting", "review")
        return State(**{name: getattr(self, name) for name in places})

    def monitors(self) -> Iterator[Monitor]:
        """Return all monitors."""
        yield from self.signs.values()
        for views in (self.inputs, self.shown, self.score):
            yield from (view.monitor for view in views.views.values() if not view.useless)

    @property
    def alarmed(self) -> bool:
        """Say whether anything is alarmed."""
        return any(monitor.on for monitor in self.monitors())

    @property
    def limit(self) -> float:
        """Return ln of the evidence at which one sign is alarmed."""
        return math.log(RECORDS_PER_FALSE_ALARM * max(1, sum(1 for _ in self.monitors())))

    def enter(self, one: Entered, limit: float) -> None:
        """Take note of a record as its source gave it."""
        self.run, self.draw = one.run_id, one.draw
        record = flat(one.payload)
        if one.invalid is not None:  # its other fields stand as the source wrote them, not as the contract types them
            self.bad_fields = [*self.bad_fields, *one.invalid][-WINDOW:]
            record = {name: text for name, text in record.items() if name in one.invalid}
        self.signs["invalid"].see(one.invalid is not None, limit)
        self.inputs.see(record, one.day, limit)

    def work(self, one: Worked, limit: float) -> None:
        """Take note of an attempt that ended."""
        self.count += 1
        checks = {finding["check"] for finding in one.findings}
        given = flat(one.payload)
        odd = self.inputs.odd(given, one.day, alarmed=False)
        bad = {"failing": one.error_kind == "system" and one.error_code not in OURS}
        if one.first:
            self.signs["failing"].see(bad["failing"], limit)
        if one.error_kind != "system":
            bad["refused"] = one.error_kind == "business"
            self.signs["refused"].see(bad["refused"], limit)
        if one.read_back is not None and not bad["failing"]:
            bad |= {"mismatch": "read_back" in checks, "shape": self._shape(one.read_back)}
            self.signs["mismatch"].see(bad["mismatch"], limit)
            if self.count > LEARN:
                self.signs["shape"].see(bad["shape"], limit)
            shown = flat(one.read_back)
            self.shown.see(shown, one.day, limit, odd, SHOWN_VIEWS)
            bad["shown"] = bool(self.shown.odd(shown, one.day) - odd)
        self._scored(one, limit)
        self._remember(one, bad, bool(self.inputs.odd(given, one.day)))

    def audit(self, review: int, wrong: bool, limit: float, model: tuple[str, str] | None = None) -> None:
        """Take note of what a person found in an output that a model had passed."""
        sign = self.signs["audit"]
        self.review, before = review, sign.on
        sign.see(wrong, limit)
        if sign.on and not before:
            self.blamed = model

    def _shape(self, read_back: Mapping[str, Any]) -> bool:
        shape = token("\0".join(sorted(read_back)))
        if self.count <= LEARN:
            self.shapes[shape] = self.shapes.get(shape, 0) + 1
        return shape not in self.shapes

    def _scored(self, one: Worked, limit: float) -> None:
        if one.probability is None:
            return
        scored_by = (one.model or "", one.model_version or "")
        if scored_by != self.model:  # another model scores otherwise by design; its errors are held to the old measure
            self.model, self.score = scored_by, Views()
            self.first.setdefault(f"model {scored_by[1]}", self.count)
        self.score.see({"score": repr(one.probability)}, one.day, limit, kinds=MODEL_VIEWS)

    def _remember(self, one: Worked, bad: Mapping[str, bool], from_source: bool) -> None:
        app = one.pins.get("application_version")
        for name in (f"app {app}" if app else None, f"bot {one.bot_version}" if one.bot_version else None):
            if name:
                self.first.setdefault(name, self.count)
        why = f"step {one.step or 'start'}: {one.error_code}" if one.error_code else ""
        fields = [str(finding["field"]) for finding in one.findings if finding["check"] == "read_back"]
        row = {
            "bad": [name for name, yes in bad.items() if yes],
            "source": from_source,
            "app": app,
            "bot": one.bot_version,
            "worker": one.worker,
            "why": why or (f"{fields[0]} reads back otherwise" if fields and fields[0] != "None" else ""),
        }
        self.rows = [*self.rows[1 - WINDOW :], row]

    def is_new(self, kind: str, version: str | None) -> bool:
        """Say whether a version of `app`, `bot` or `model` came lately, after another."""
        since = self.first.get(f"{kind} {version}")
        return since is not None and since > LEAST and self.count - since <= 3 * WINDOW
