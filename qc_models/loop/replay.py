"""Two models on the same logged traffic: what each would have flagged, caught and let through, without new labels.

Under the policy that was in force each output was looked at by a person with a known probability pi (1 if flagged, the
audit probability if passed), so weighting what was found by 1 / pi estimates the rates of any other policy without bias
(D. G. Horvitz and D. J. Thompson, JASA 47 (1952), 663-685; "off-policy evaluation by inverse propensity"). What passed
unaudited has no known truth, and none is guessed. Intervals are confidence sequences (`qc_models.loop.betting`).

Lost catches weigh 1, found ones up to 1 / pi: what the champion flags is always looked at. That makes it cheap to prove
that a challenger loses nothing, and dear to prove that it finds more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.intervals import clopper_pearson
from qc_models.loop.betting import Floats, Interval, mean_interval, ratio_interval

Flags = NDArray[np.bool_]
DELTA = 0.05


@dataclass(frozen=True)
class Traffic:
    """Logged outputs, oldest first; every array has shape (n,)."""

    champion: Flags
    """Whether inspection with the champion sends it to review: rules and read-back included."""
    challenger: Flags
    probability: Floats
    """With which a person was to look at it under the policy that was in force, in (0, 1]."""
    selected: Flags
    """Whether a person was to look at it."""
    labelled: Flags
    """Whether it was decided; selected and not labelled means that it waits for a person."""
    wrong: Flags
    """What was found; False where nobody looked."""
    segments: Mapping[str, NDArray[np.str_]]
    """Group of each output by declared segment."""
    shadowed: int = 0
    """How many challenger scores were given in shadow, at the time."""

    def __len__(self) -> int:
        return len(self.champion)

    def only(self, kept: Flags) -> Traffic:
        """Return the part of the traffic that is kept."""
        names = ("champion", "challenger", "probability", "selected", "labelled", "wrong")
        parts = {name: getattr(self, name)[kept] for name in names}
        return Traffic(**parts, segments={name: groups[kept] for name, groups in self.segments.items()})

    @property
    def waiting(self) -> Flags:
        """Return which outputs wait for a person who was to look at them."""
        return self.selected & ~self.labelled

    @property
    def least(self) -> float:
        """Return the least probability of a look."""
        return float(self.probability.min()) if len(self) else 1.0


@dataclass(frozen=True)
class Side:
    """One model's rates, each between the bounds of its confidence sequence."""

    recall: Interval
    """Flagged among the wrong."""
    residual: Interval
    """Wrong among the passed."""
    false_alarms: Interval
    """Right among the flagged."""
    queue: Interval
    """Flagged among all."""


@dataclass(frozen=True)
class Comparison:
    """Champion and challenger on the same records."""

    records: int
    waiting: int
    champion: Side
    challenger: Side
    escaped: int
    """Wrong outputs that the champion passed and an audit found."""
    escaped_caught: int
    """Those of them that the challenger flags."""
    caught: int
    """Wrong outputs that the champion flagged."""
    caught_lost: int
    """Those of them that the challenger passes."""
    escaped_share: Interval
    """Share of all escaped errors that the challenger flags, weighted."""
    improvement: Interval
    """Fewer escaped errors per record; what waits for a person counts against the challenger in the lower bound."""
    queue_change: Interval
    """Challenger's queue minus the champion's, per record."""
    queue_ratio: Interval
    """Challenger's queue / the champion's."""
    delta: float

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {name: _plain(value) for name, value in vars(self).items()}


def compare(traffic: Traffic, delta: float = DELTA) -> Comparison:
    """Estimate both models' rates and their paired differences; each interval holds at confidence 1 - delta."""
    known = traffic.only(~traffic.waiting)
    old, new, wrong = known.champion, known.challenger, known.wrong & known.labelled
    weight = np.where(known.labelled, 1 / known.probability, 0.0) * wrong
    most = 1 / traffic.least
    share = ratio_interval(weight * (~old & new), weight * ~old, lambda r: (-r * most, (1 - r) * most), 1.0, delta)
    change, ratio = queue_change(traffic.champion, traffic.challenger, delta)  # known of what waits, too
    return Comparison(
        records=len(traffic),
        waiting=int(traffic.waiting.sum()),
        champion=_side(known, old, delta),
        challenger=_side(known, new, delta),
        escaped=int((wrong & ~old).sum()),
        escaped_caught=int((wrong & ~old & new).sum()),
        caught=int((wrong & old).sum()),
        caught_lost=int((wrong & old & ~new).sum()),
        escaped_share=share,
        improvement=improvement(traffic, delta),
        queue_change=change,
        queue_ratio=ratio,
        delta=delta,
    )


def improvement(traffic: Traffic, delta: float) -> Interval:
    """Return how many fewer errors per record escape the challenger.

    The estimate leaves out what waits for a person; the lower bound takes the worst of it: a flag given up was right, a
    new one was needless. Of one record at most one error escapes, so all three lie in [-1, 1], however few records.
    """
    gained = traffic.challenger & ~traffic.champion
    lost = traffic.champion & ~traffic.challenger
    found = np.where(traffic.labelled & traffic.wrong, 1 / traffic.probability, 0.0)
    values = found * (gained.astype(np.float64) - lost)
    most = 1 / traffic.least
    # what the champion flags is looked at for sure where it was the champion that decided
    heaviest = float((1 / traffic.probability[traffic.champion]).max()) if traffic.champion.any() else 1.0
    known = mean_interval(values[~traffic.waiting], -heaviest, most, delta)
    worst = np.where(traffic.waiting & lost, -1 / traffic.probability, values)
    low = mean_interval(worst, -heaviest, most, delta).low if traffic.waiting.any() else known.low
    return Interval(*(min(max(one, -1.0), 1.0) for one in (known.value, low, known.high)))


def queue_change(old: Flags, new: Flags, delta: float) -> tuple[Interval, Interval]:
    """Return the challenger's queue minus the champion's per record, and over it; nothing of it is sampled.

    Exact for records drawn independently, at this number of them. Of the records that either flags, a share `apart` is
    flagged by one alone, and a share `new` of those by the challenger (Q. McNemar, Psychometrika 12 (1947), 153-157);
    each has its Clopper-Pearson interval at half of delta, and the ratio is monotone in both.
    """
    added, dropped, either = int((new & ~old).sum()), int((old & ~new).sum()), int((new | old).sum())
    if not either:
        return Interval(0.0, -1.0, 1.0), Interval(math.nan, 0.0, math.inf)
    confidence = 1 - delta / 2
    by_one, all_ = added + dropped, len(old)
    shares = clopper_pearson(added, by_one, confidence) or (0.0, 1.0)
    parts = clopper_pearson(by_one, either, confidence) or (0.0, 1.0)
    differ = clopper_pearson(by_one, all_, confidence) or (0.0, 1.0)
    changes = [(2 * share - 1) * part for share in shares for part in differ]
    ratios = [(1 - part * (1 - share)) / max(1 - part * share, 1e-12) for share in shares for part in parts]
    before = either - added
    value = (either - dropped) / before if before else math.nan
    return Interval((added - dropped) / all_, min(changes), max(changes)), Interval(value, min(ratios), max(ratios))


def _side(known: Traffic, flags: Flags, delta: float) -> Side:
    weight = np.where(known.labelled, 1 / known.probability, 0.0)
    wrong, right = weight * known.wrong, weight * ~known.wrong
    most = 1 / known.least
    passed, flagged = (~flags).astype(np.float64), flags.astype(np.float64)
    return Side(
        recall=ratio_interval(wrong * flags, wrong, lambda r: (-r * most, (1 - r) * most), 1.0, delta),
        residual=ratio_interval(wrong * passed, passed, lambda r: (-r, most - r), 1.0, delta),
        false_alarms=ratio_interval(right * flags, flagged, lambda r: (-r, most - r), 1.0, delta),
        queue=mean_interval(flagged, 0.0, 1.0, delta),
    )


def by_segment(traffic: Traffic, needed: int, delta: float) -> dict[str, Comparison]:
    """Compare in each declared group at delta / S; groups with fewer than `needed` records are judged together.

    Returns:
        `field: group` (or `field: smaller groups`) to its comparison; the sizes alone decide what is put together.
    """
    parts: dict[str, Flags] = {}
    for name, groups in traffic.segments.items():
        values, counts = np.unique(groups, return_counts=True)
        large = [str(value) for value, count in zip(values, counts, strict=True) if count >= needed]
        parts |= {f"{name}: {value}": groups == value for value in large}
        rest = ~np.isin(groups, large)
        if rest.any():
            parts[f"{name}: smaller groups"] = rest
    return {name: compare(traffic.only(kept), delta / len(parts)) for name, kept in parts.items()}


def sentence(one: Comparison) -> str:
    """Say what the challenger would have done, for people."""
    caught = (
        f"would have caught {one.escaped_caught} of {one.escaped} escaped errors {_percent(one.escaped_share)}"
        if one.escaped
        else "met no error that an audit found among the passed"
    )
    ratio = one.queue_ratio
    moved = "the champion's queue was empty" if math.isnan(ratio.value) else _moved(ratio)
    lost = f", lost {one.caught_lost} of {one.caught} that were caught" if one.caught_lost else ""
    return f"{caught} and {moved}{lost}, on {one.records:,} records, no new labels"


def _moved(ratio: Interval) -> str:
    """Say "cut" or "lengthened" only where the bounds agree on it; with bounds on both sides only signs are clear."""
    if ratio.low < 1 < ratio.high:
        return f"changed the queue by {ratio.value - 1:+.0%} [{ratio.low - 1:+.0%}, {ratio.high - 1:+.0%}]"
    verb = "cut" if ratio.value <= 1 else "lengthened"
    low, high = sorted((abs(1 - ratio.low), abs(1 - ratio.high)))
    return f"{verb} the queue by {abs(1 - ratio.value):.0%} [{low:.0%}, {high:.0%}]"


def _percent(one: Interval) -> str:
    return f"[{one.low:.0%}, {one.high:.0%}]"


def _plain(value: Any) -> Any:
    if isinstance(value, Interval):
        return value.as_dict()
    if isinstance(value, Side):
        return {name: Interval(**part).as_dict() for name, part in asdict(value).items()}
    return value
