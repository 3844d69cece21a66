"""Which audited records may prove something: a random draw, each record once, all of them, and never twice.

A record's draw is uniform in [0, 1), logged before anything is known of it. It is looked at if its draw is under its
audit probability, `max(floor, min(1, kappa * p))`. Whatever that top-up was, those with `draw < floor` are a simple
random sample of all records: they alone certify. Records that were looked at for any other reason (flagged, doubted,
picked for training) are left out by construction, because what they show holds for the doubtful only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from engine.errors import UserError


@dataclass(frozen=True)
class Audit:
    """One record: what the model thought, how it was drawn, and what a person found."""

    score: float
    """P(wrong) as it was used for the decision."""
    wrong: bool | None
    """What the review found; None: not looked at, or not yet."""
    draw: float | None
    """Uniform in [0, 1), logged before the outcome; None: chosen by a picker, proves nothing."""
    floor: float
    """The audit rate of the time, the same for all records."""
    probability: float
    """With which this record was to be looked at; 1 if it was flagged."""
    flagged: bool
    key: str
    """The business key: equal keys are one record."""
    at: datetime
    """When it was entered (not when it was reviewed)."""
    content: str | None = None
    """A hash of what it says, if right ones that say the same shall count once."""


def audit_probability(p: float, floor: float, kappa: float = 0.0) -> float:
    """Return with which probability a passed record is looked at: the floor, and more where the model doubts."""
    return max(floor, min(1.0, kappa * p))


def one_each(records: Iterable[Audit]) -> list[Audit]:
    """Return one entry a record, oldest first: the draw of its first entry decides, its newest finding counts.

    A finding that was changed later is a further entry of the same key; the newest one holds, so that bounds are
    computed anew from it.
    """
    first: dict[str, Audit] = {}
    for record in sorted(records, key=lambda one: one.at):
        known = first.setdefault(record.key, record)
        if record.wrong is not None:
            first[record.key] = replace(known, wrong=record.wrong)
    return list(first.values())


def distinct(drawn: Iterable[Audit]) -> list[Audit]:
    """Return a sample with the right ones of equal contents once, and every wrong one.

    Each record has a draw of its own, so that the sample is one of records, however many say the same. Merging them
    before the draw would make one record of a mistake that repeats a thousand times, and a sample most likely miss it.
    Leaving right ones out afterwards only makes the sample smaller: what is right a thousand times is no thousandfold
    evidence for records that say something else. Right ones that say what a wrong one says are left out altogether.
    """
    audits = list(drawn)
    seen = {one.content for one in audits if one.wrong and one.content is not None}
    kept = []
    for one in audits:
        if one.wrong or one.content is None or one.content not in seen:
            kept.append(one)
        if one.content is not None:
            seen.add(one.content)
    return kept


def certification_sample(
    records: Iterable[Audit],
    *,
    before: datetime | None = None,
    floor: float | None = None,
    overdue: Literal["refuse", "wrong"] = "refuse",
) -> list[Audit]:
    """Return the simple random sample among records: `draw < rate`, entered before the cut-off, all known, `distinct`.

    The rate is the lowest with which any record of the window was looked at, 1 for flagged ones and the floor for
    others. Where it was changed, the higher draws are left out, because they would overweight their time. A window in
    which everything was reviewed is a sample of all. The records returned carry the rate as their `floor`.

    Args:
        records: All records of the window, those that were not looked at included; these may be left out if `floor` is
            given.
        before: Cut-off by the time of entry, fixed without knowledge of outcomes; None: none.
        floor: The rate, if it is known better.
        overdue: What an outcome that is missing before the cut-off means. Leaving it out would select by outcome
            (hard cases are decided late), so it is refused, or counted as wrong.

    Raises:
        UserError: outcomes are missing before the cut-off; there are flagged records only; or some were looked at
            with less than the given floor.
    """
    window = [record for record in one_each(records) if before is None or record.at < before]
    if window and all(record.flagged for record in window):
        raise UserError("all records are flagged ones; they show the doubtful only: give all records of the window")
    lowest = min((1.0 if record.flagged else record.floor for record in window), default=1.0)
    rate = lowest if floor is None else floor
    if rate > lowest:
        raise UserError(f"records of the window were looked at with {lowest:g}, less than the given floor of {rate:g}")
    sample = [replace(one, floor=rate) for one in window]
    drawn = [record for record in sample if record.draw is not None and record.draw < rate]
    unknown = [record for record in drawn if record.wrong is None]
    if unknown and overdue == "refuse":
        raise UserError(
            f"{len(unknown)} of {len(drawn)} drawn records are not reviewed yet, the oldest is {unknown[0].key} "
            f"({unknown[0].at.isoformat()}); review them, or take a cut-off before it"
        )
    return distinct(replace(record, wrong=True) if record.wrong is None else record for record in drawn)


def split(records: Sequence[Audit], salt: str, share: float = 0.5) -> tuple[list[Audit], list[Audit]]:
    """Return two parts that never share a record, by a hash of the key: one to choose by, one to report from."""
    chosen = [part_of(record.key, salt) < share for record in records]
    pairs = list(zip(records, chosen, strict=True))
    return [one for one, first in pairs if first], [one for one, first in pairs if not first]


def part_of(key: str, salt: str) -> float:
    """Return a number in [0, 1) that depends on nothing but key and salt."""
    return int.from_bytes(hashlib.sha256(f"{salt}\0{key}".encode()).digest()[:7], "big") / 2**56


def refuse_reuse(chosen: Iterable[Audit], reported: Iterable[Audit]) -> None:
    """Refuse a report from records that helped to choose the threshold: it would flatter.

    Raises:
        UserError: a record is in both.
    """
    both = {record.key for record in chosen} & {record.key for record in reported}
    if both:
        raise UserError(
            f"{len(both)} records were used to choose the threshold and cannot report on it too (one is {min(both)}); "
            "split them by a hash of the key"
        )
