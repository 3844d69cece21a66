"""What is usual of each field, learnt from the first records, and the signs of a record in which it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from qc_models.loop.drift import forms
from qc_models.loop.drift.monitor import WINDOW, Monitor

LEARN = 150
"""Records from which a field's usual forms are learnt; the reference rate is measured on later ones."""
MOST_FORMS = 30
"""A field with more forms than these has no usual ones."""
MOST_VALUES = 20
"""A field with more values than these is no category, nor one that had new values while the second half was learnt."""
MOST_KNOWN = 200
"""Forms that are remembered of a field; one that has more by and by has no usual ones."""
EDGE = 0.05
"""Share of the learnt numbers that lies over the high edge, and under the low one."""
WITNESSES = 12
"""Records in the window before a field is called drifted: a batch of one party's records is alike, and no drift."""
KINDS = ("missing", "pattern", "category", "high", "low")


@dataclass
class View:
    """One field under one kind of view."""

    monitor: Monitor = field(default_factory=Monitor)
    learnt: list[Any] = field(default_factory=list)
    """While learning: tokens with their counts, or numbers."""
    n: int = 0
    useless: bool = False
    recent: list[str] = field(default_factory=list)
    """How the last unusual values were written."""
    novel: list[list[Any]] = field(default_factory=list)
    """Unusual forms with the record they came in: usual once they are older than the window, if all is quiet."""


@dataclass
class Views:
    """The views of all fields of a stream of records."""

    views: dict[str, View] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Views:
        """Restore it from JSON."""
        return cls({key: View(**one | {"monitor": Monitor(**one["monitor"])}) for key, one in stored.items()})

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {key: asdict(view) for key, view in self.views.items()}

    def see(
        self,
        record: Mapping[str, str | None],
        today: date,
        limit: float,
        quiet: frozenset[str] = frozenset(),
        kinds: tuple[str, ...] = KINDS,
    ) -> None:
        """Learn from one flat record, or test it.

        Args:
            record: field to text.
            today: what dates are counted from.
            limit: ln of the evidence at which an alarm is raised.
            quiet: fields in which nothing unusual counts.
            kinds: which views.
        """
        for name, kind, value in _looks(record, today):
            if kind not in kinds:
                continue
            view = self.views.setdefault(f"{name}\0{kind}", View())
            if view.useless:
                continue
            if kind != "missing" and view.n < LEARN:
                _learn(view, kind, value)
                continue
            view.n += 1
            sign = name not in quiet and _unusual(view, kind, value)
            _adopt(view, kind, value, sign)
            if sign and (text := record.get(name)) is not None:
                view.recent = [*view.recent[-19:], forms.written(text)]
            view.monitor.see(sign, limit, WITNESSES)

    def odd(self, record: Mapping[str, str | None], today: date, *, alarmed: bool = True) -> frozenset[str]:
        """Return the fields in which a record shows an alarmed sign (or any)."""
        return frozenset(
            name
            for name, kind, value in _looks(record, today)
            if (view := self.views.get(f"{name}\0{kind}"))
            and not view.useless
            and (view.monitor.on or not alarmed)
            and (kind == "missing" or view.n >= LEARN)
            and _unusual(view, kind, value)
        )

    def alarms(self) -> list[tuple[str, str, View]]:
        """Return field, kind and view of what is alarmed, strongest first."""
        found = []
        for key, view in self.views.items():
            if view.monitor.on:
                name, _, kind = key.partition("\0")
                found.append((name, kind, view))
        return sorted(found, key=lambda one: -one[2].monitor.share)


def _looks(record: Mapping[str, str | None], today: date) -> Iterator[tuple[str, str, Any]]:
    for name, text in record.items():
        yield name, "missing", text is None
        if text is None:
            continue
        yield name, "pattern", forms.pattern(text)
        yield name, "category", forms.token(text)
        value = forms.number(text, today)
        if value is not None:
            yield name, "high", value
            yield name, "low", value


def _learn(view: View, kind: str, value: Any) -> None:
    view.n += 1
    if kind in {"high", "low"}:
        view.learnt.append(value)
        if view.n == LEARN and len(set(view.learnt)) == LEARN and all(value.is_integer() for value in view.learnt):
            view.useless, view.learnt = True, []  # a running number grows by itself
        elif view.n == LEARN:
            view.learnt = [sorted(view.learnt)[int(LEARN * (1 - EDGE) if kind == "high" else LEARN * EDGE)]]
        return
    counts = Counter(dict(view.learnt))
    counts[value] += 1
    view.learnt = [list(pair) for pair in counts.items()]
    late = kind == "category" and counts[value] == 1 and view.n > LEARN // 2
    if late or len(counts) > (MOST_FORMS if kind == "pattern" else MOST_VALUES):
        view.useless, view.learnt = True, []


def _adopt(view: View, kind: str, value: Any, sign: bool) -> None:
    """Let forms become usual that came before the window and raised no alarm: traffic has new parties now and then."""
    if kind not in {"pattern", "category"}:
        return
    if sign and all(known != value for known, _ in view.novel):
        view.novel.append([value, view.n])
    if not view.novel or view.monitor.on or not view.monitor.quiet:
        return
    old = [known for known, since in view.novel if view.n - since > WINDOW]
    view.learnt += [[known, 1] for known in old]
    view.novel = [one for one in view.novel if one[0] not in old]
    if len(view.learnt) > MOST_KNOWN:
        view.useless, view.learnt, view.novel = True, [], []


def _unusual(view: View, kind: str, value: Any) -> bool:
    if kind == "missing":
        return bool(value)
    if kind in {"high", "low"}:
        return bool(value > view.learnt[0] if kind == "high" else value < view.learnt[0])
    return all(known != value for known, _ in view.learnt)


def said(name: str, kind: str, view: View) -> str:
    """Say what is unusual of a field, with how often."""
    often = view.monitor.told
    if kind == "missing":
        return f"{name} is missing {often}"
    form = Counter(view.recent).most_common(1)[0][0] if view.recent else "otherwise"
    if kind == "pattern":
        return f"{name} is written {form} {often}"
    if kind == "category":
        return f"{name} has a value that never came {often}"
    return f"{name} is unusually {'large or late' if kind == 'high' else 'small or early'} {often}"
