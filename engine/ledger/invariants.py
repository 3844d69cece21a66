"""What must be nowhere in a ledger; `db check` asks for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from engine.ledger import tables as t
from engine.ledger.labels import CANARY
from engine.ledger.second_looks import waits_for

BACKUP = "restore the last good backup (docs/howto/backup-and-restore.md)"
_BUG = "this should not be possible: please report it, with the item's `runner.py items show`"


def invariants() -> Iterator[tuple[str, str, str, sa.Select[Any]]]:
    """Yield what must be nowhere: code, what it means, what to do, and the query of the items (ids) where it is."""
    i, a, n, r = t.items, t.attempts, t.intents, t.runs
    held = sa.and_(i.c.owner.is_not(None), i.c.fence == a.c.fence)
    yield (
        "open_in_closed_run",
        "open items in a run that is closed: nobody audits them",
        _BUG,
        sa.select(i.c.id).join(r, r.c.id == i.c.run_id).where(t.IS_OPEN, r.c.state != "open"),
    )
    yield (
        "unknown_state",
        "items in a state that there is not",
        "update Countersign, or " + BACKUP,
        sa.select(i.c.id).where(i.c.state.not_in((*t.OPEN, *t.CLOSED))),
    )
    yield (
        "attempt_without_end",
        "attempts without an end whose item nobody holds",
        _BUG,
        sa.select(i.c.id).join(a, a.c.item_id == i.c.id).where(a.c.ended_at.is_(None), ~held),
    )
    going = sa.exists().where(a.c.item_id == i.c.id, a.c.fence == i.c.fence, a.c.ended_at.is_(None))
    yield (
        "held_without_attempt",
        "items that a worker holds without an attempt",
        _BUG,
        sa.select(i.c.id).where(i.c.owner.is_not(None), ~going),
    )
    yield (
        "held_and_closed",
        "closed items that a worker holds",
        _BUG,
        sa.select(i.c.id).where(i.c.owner.is_not(None), ~t.IS_OPEN),
    )
    tries = (
        sa.select(a.c.item_id, sa.func.count().label("made"), sa.func.max(a.c.fence).label("last"))
        .group_by(a.c.item_id)
        .subquery()
    )
    yield (
        "fence",
        "items whose fence is not the number of their attempts",
        _BUG,
        sa.select(i.c.id)
        .outerjoin(tries, tries.c.item_id == i.c.id)
        .where(sa.or_(i.c.fence != sa.func.coalesce(tries.c.made, 0), i.c.fence != sa.func.coalesce(tries.c.last, 0))),
    )
    tried = sa.exists().where(a.c.item_id == n.c.item_id, a.c.fence == n.c.fence)
    yield ("intent_without_attempt", "commits of no known attempt", _BUG, sa.select(n.c.item_id).where(~tried))
    yield (
        "sent_twice",
        "items of which one commit was confirmed more than once",
        "look in the application whether the record is there twice",
        sa.select(n.c.item_id)
        .where(n.c.outcome == "sent")
        .group_by(n.c.item_id, n.c.segment)
        .having(sa.func.count() > 1),
    )
    yield (
        "passed_in_doubt",
        "items that passed although a commit of theirs is in doubt",
        "look in the application, then tell us",
        sa.select(i.c.id).join(n, n.c.item_id == i.c.id).where(i.c.state == "passed", n.c.outcome.is_(None)),
    )

    c, s = t.canaries, t.second_reviews
    sent = sa.exists().where(n.c.item_id == c.c.item_id)
    yield (
        "canary_at_work",
        "canaries that a worker could take or an application has seen",
        _BUG,
        sa.select(c.c.item_id).join(i, i.c.id == c.c.item_id).where(sa.or_(t.IS_OPEN, i.c.owner.is_not(None), sent)),
    )
    planted = sa.exists().where(c.c.item_id == i.c.id)
    yield (
        "canary_run",
        "canaries in a run of real work, or real items in a run of canaries",
        _BUG,
        sa.select(i.c.id).join(r, r.c.id == i.c.run_id).where((r.c.kind == CANARY) != planted),
    )
    first = t.reviews.alias("first")
    same = sa.and_(first.c.item_id == s.c.item_id, first.c.id == s.c.review_id, first.c.reviewer == s.c.reviewer)
    yield (
        "second_look",
        "second looks of nobody, by who decided first, or at the decision about another item",
        _BUG,
        sa.select(s.c.item_id)
        .join(first, first.c.id == s.c.review_id)
        .where(
            sa.or_(
                same,
                first.c.item_id != s.c.item_id,
                s.c.decision.is_not(None) & (s.c.reviewer.is_(None) | s.c.decided_at.is_(None)),
            )
        ),
    )
    yield (
        "look_without_data",
        "items that wait for a second look although their data were erased",
        _BUG,
        sa.select(i.c.id).where(waits_for(i.c.id), sa.or_(i.c.erased_at.is_not(None), i.c.pruned_at.is_not(None))),
    )
