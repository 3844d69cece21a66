"""The evidence gate: which kinds of evidence may close matches on their own, by what was measured of each kind.

Every kind has an exact upper bound of its share of wrong matches, one-sided after Clopper and Pearson, from samples in
which each match was judged right or wrong. A kind closes only while its bound is at or under the limit. The confidence
is that of each kind's bound by itself.

Two sources, one rule for each kind:

1. Reviews of the user's own decide alone as soon as they are so many that, all right, they would prove the limit.
2. Before that, one wrong match among them holds the kind back, whatever the seed says.
3. Before that, and all right, the figures decide that Countersign was seeded with. Those come from a generator with
   known truth, not from anybody's books, and every report says so. The two are never added up: a million made-up lines
   would drown a thousand true ones.

A kind is a base and a strength, and by the seed what is stronger is not judged apart: a strength closes if the sample
of all matches of its base that are as strong or stronger holds the limit, or one that reaches further down does,
because then all of that sample closes together, and its bound is of just what closes. Fences: no strength closes, or
carries another, whose own sample shows it to be worse than the limit; what is `doubtful` by its own odds never closes
by the seed, in which something that speaks against it may be missing (nobody's fingers swap digits there); and judged
alone is what a definition only suggests, and what own reviews decide: how many people review of each strength says
nothing of how many of each there are, so their reviews of one speak for no other.

C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
Biometrika 26 (1934), 404-413.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from bots.reconciliation.definition import GateFile
from bots.reconciliation.kinds import BASES, KINDS, STRENGTHS, named_now
from engine.errors import UserError
from engine.intervals import clopper_pearson

Source = Literal["seed", "own"]
Added = dict[tuple[str, "Source"], "Evidence"]
LIMIT: Final = 0.0001
"""Wrong matches among those that close on their own, at most, unless a definition says otherwise."""
CONFIDENCE: Final = 0.95
_HELD: Final = "held back by the definition: it is suggested only"
SEED_WORDS: Final = "seeded by a generator, not by your reviews"
_DOUBTFUL: Final = f"_{list(STRENGTHS)[-1]}"
_SEEDED: Final = Path(__file__).with_name("seeded.json")


@dataclass(frozen=True)
class Evidence:
    """What was found in a simple random sample of the matches of one kind that would close."""

    kind: str
    reviewed: int
    wrong: int
    source: Source
    """`own`: people judged the user's own matches; `seed`: a generator's truth did."""

    def __post_init__(self) -> None:
        if not 0 <= self.wrong <= self.reviewed:
            raise UserError(f"{self.kind}: {self.wrong} wrong of {self.reviewed} reviewed matches is no sample")

    def bound(self, confidence: float) -> float:
        """Return the exact one-sided upper bound of the share of wrong matches; 1 without reviews.

        Raises:
            UserError: the confidence is not in (0.5, 1).
        """
        return self._bounds(confidence)[1]

    def least(self, confidence: float) -> float:
        """Return the exact one-sided lower bound of the share of wrong matches; see `bound`."""
        return self._bounds(confidence)[0]

    def _bounds(self, confidence: float) -> tuple[float, float]:
        _check(confidence)
        # the ends of a two-sided interval with twice the risk; clopper_pearson takes scipy's inverse beta
        return clopper_pearson(self.wrong, self.reviewed, 2 * confidence - 1) or (0.0, 1.0)


@dataclass(frozen=True)
class Standing:
    """How one kind of evidence stands."""

    kind: str
    closes: bool
    reviewed: int
    """Of the sample that decides: of this strength, of all stronger ones, and of weaker ones that close with it."""
    wrong: int
    bound: float
    """Upper bound of the share of wrong matches, from the source that decides; 1 where nothing was measured."""
    confidence: float
    """Of this bound."""
    source: Source
    missing: int
    """Own reviews that are missing until they decide alone, if all of them turn out right; 0 if they do."""
    words: str


@dataclass(frozen=True)
class Seed:
    """The figures that Countersign comes with, and how they were made."""

    generator: str
    sha256: str
    worlds: tuple[tuple[str, tuple[int, ...]], ...]
    """Profiles of the generator, and the seeds of each."""
    rows: int
    matcher: str
    """Digest of the matcher's source that was measured (`versions.matcher_digest`)."""
    command: str
    evidence: tuple[Evidence, ...]

    @property
    def words(self) -> str:
        """Say where the figures come from, for every place that shows them."""
        made = "; ".join(f"profile {profile}, seeds {', '.join(map(str, seeds))}" for profile, seeds in self.worlds)
        return f"{SEED_WORDS}: {self.generator}, {self.rows:,} lines a side, {made}"


def own_evidence(reviewed: Mapping[str, tuple[int, int]]) -> list[Evidence]:
    """Return what people said of a reconciliation's matches as samples (`ports.OpenItems.reviewed`).

    Matches by hand are of no kind; so are those of a kind that a newer version does not know any more.
    """
    now = [(named_now(kind), counts) for kind, counts in sorted(reviewed.items())]
    return [Evidence(kind, *counts, "own") for kind, counts in now if kind in KINDS]


def gated(gate: GateFile, own: Iterable[Evidence] = ()) -> tuple[Standing, ...]:
    """Return how each kind of evidence stands under what a definition declares: for every place that closes matches.

    Args:
        gate: limit, confidence, and what is only suggested.
        own: what own reviews found; the seeded figures are added.
    """
    held = frozenset(gate.suggest_only)
    ranked = standings([*seeded().evidence, *own], float(gate.limit), float(gate.confidence), held)
    return tuple(replace(one, closes=False, words=_HELD) if one.kind in held else one for one in ranked)


def closing_under(gate: GateFile, own: Iterable[Evidence] = ()) -> frozenset[str]:
    """Return the kinds that may close matches on their own (`gated`)."""
    return frozenset(one.kind for one in gated(gate, own) if one.closes)


def closing(evidence: Iterable[Evidence], limit: float = LIMIT, confidence: float = CONFIDENCE) -> frozenset[str]:
    """Return the kinds of evidence that may close matches on their own.

    Args:
        evidence: samples, any number of a kind and source; those of one kind and source are added up.
        limit: largest share of wrong matches, in (0, 1).
        confidence: of each kind's bound, in (0.5, 1).

    Raises:
        UserError: limit or confidence is out of its range.
    """
    return frozenset(one.kind for one in standings(evidence, limit, confidence) if one.closes)


def standings(
    evidence: Iterable[Evidence],
    limit: float = LIMIT,
    confidence: float = CONFIDENCE,
    held: frozenset[str] = frozenset(),
) -> tuple[Standing, ...]:
    """Return how each kind stands, by name, and why; see `closing`. What is `held` carries no other kind."""
    if not 0 < limit < 1:
        raise UserError(f"a limit of {limit} wrong matches per match: it must lie between 0 and 1, e.g. 0.0001")
    _check(confidence)
    added: Added = {}
    for one in evidence:
        before = added.get((one.kind, one.source), Evidence(one.kind, 0, 0, one.source))
        total = Evidence(one.kind, before.reviewed + one.reviewed, before.wrong + one.wrong, one.source)
        added[one.kind, one.source] = total
    enough = needed(0, limit, confidence)
    apart = held | {kind for (kind, source), one in added.items() if source == "own" and one.reviewed >= enough}
    kinds = sorted({kind for kind, _ in added})
    return tuple(_standing(kind, _samples(kind, apart), added, limit, confidence) for kind in kinds)


def needed(wrong: int, limit: float, confidence: float) -> int:
    """Return the fewest reviews, that many of them wrong, whose bound is at or under the limit."""
    most = 1 + math.ceil(math.log(1 - confidence) / math.log1p(-limit)) * (wrong + 1)  # far enough: P(Bin) only falls
    low = wrong
    while low < most:
        middle = (low + most) // 2
        if Evidence("", middle, wrong, "own").bound(confidence) <= limit:
            most = middle
        else:
            low = middle + 1
    return low


def seeded() -> Seed:
    """Return the figures that Countersign comes with."""
    return read_seed(_SEEDED)


@cache
def read_seed(path: Path) -> Seed:
    """Read a file of seeded figures, as `python -m benchmarks.evidence --write FILE` writes it.

    Raises:
        UserError: the file is not there, or not such a file.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        made, kinds = found["made_by"], found["kinds"]
        return Seed(
            generator=str(made["generator"]),
            sha256=str(made["sha256"]),
            worlds=tuple((str(name), tuple(map(int, seeds))) for name, seeds in made["worlds"].items()),
            rows=int(made["rows"]),
            matcher=str(made["matcher"]),
            command=str(made["command"]),
            evidence=tuple(
                Evidence(kind, int(counts["reviewed"]), int(counts["wrong"]), "seed") for kind, counts in kinds.items()
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: no file of seeded evidence ({error}); python -m benchmarks.evidence writes one"
        ) from error


def _standing(kind: str, samples: list[tuple[str, ...]], added: Added, limit: float, confidence: float) -> Standing:
    """Judge a kind by the shortest sample by which it closes, or by its own strength and the stronger ones."""
    tried = [_judged(kind, names, added, limit, confidence) for names in samples]
    return next((one for one in tried if one.closes), tried[0])


def _samples(kind: str, apart: frozenset[str]) -> list[tuple[str, ...]]:
    """Return the samples by which a kind may close, as the kinds in each; what is `apart` is in none but its own."""
    base, _, strength = kind.rpartition("_")
    steps = list(STRENGTHS)[:-1]
    if base not in BASES or strength not in steps or kind in apart:
        return [(kind,)]
    together = [one for one in (f"{base}_{step}" for step in steps) if one not in apart]
    return [tuple(together[:end]) for end in range(together.index(kind) + 1, len(together) + 1)]


def _judged(kind: str, names: tuple[str, ...], added: Added, limit: float, confidence: float) -> Standing:
    own, seed = _sum(kind, "own", names, added), _sum(kind, "seed", names, added)
    alone = _sum(kind, "own", (kind,), added)
    missing = max(0, needed(alone.wrong, limit, confidence) - alone.reviewed)
    if alone.reviewed >= needed(0, limit, confidence):
        decides, words = own, f"your own {own.reviewed:,} reviews"
    elif own.wrong:
        decides = own
        words = f"held back: {own.wrong} of your own {own.reviewed:,} reviews wrong, too few to decide alone"
    else:
        decides, words = seed, SEED_WORDS
        words += f"; your own {own.reviewed:,} reviews were all right, too few to decide" if own.reviewed else ""
    bound = decides.bound(confidence)
    worse = [one for one in names if _sum(one, decides.source, (one,), added).least(confidence) > limit]
    closes = bound <= limit and not worse
    if closes and decides.source == "seed" and kind.endswith(_DOUBTFUL):
        closes, words = False, f"{words}; doubtful by its own odds: only reviews of your own let it close"
    return Standing(kind, closes, decides.reviewed, decides.wrong, bound, confidence, decides.source, missing, words)


def _sum(kind: str, source: Source, names: tuple[str, ...], added: Added) -> Evidence:
    found = [added[name, source] for name in names if (name, source) in added]
    return Evidence(kind, sum(one.reviewed for one in found), sum(one.wrong for one in found), source)


def _check(confidence: float) -> None:
    if not 0.5 < confidence < 1:  # noqa: PLR2004 - less than even is no confidence
        raise UserError(f"a confidence of {confidence}: it must lie between 0.5 and 1, e.g. 0.95")
