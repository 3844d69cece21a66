"""What people said of automatic matches, counted by kind of evidence: what the gate may take as reviews of one's own.

A match is *right* where a person accepted it, or matched its very lines by hand; *wrong* where a person rejected or
undid it, or closed a match by hand that takes one of its lines elsewhere. A later word on the same lines goes before an
earlier one.

Wrong ones always count. Right ones count only as a series without gaps, of the matches that were made before the oldest
one of their kind that still waits: whoever decides the easy ones and leaves the others would else prove too much. A
consecutive series is no random sample, but nobody chose what is in it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa

from engine.ledger import reconciliation_tables as t
from engine.ledger.reconciliation_rows import Ledgered
from engine.ledger.reconciliation_tables import IS_BARRED, IS_MANUAL, IS_PENDING, IS_REPLACED

_MATCHES = t.recon_matches


def reviewed(place: Ledgered) -> dict[str, tuple[int, int]]:
    """Return kind to how many matches were reviewed and how many of them were wrong (`OpenItems.reviewed`).

    It walks through what people decided and what waits for them, and through nothing that closed by itself.
    """
    mine = place.of(_MATCHES)
    pending = sa.select(_MATCHES.c.kind, sa.func.min(_MATCHES.c.id)).where(mine, IS_PENDING).group_by(_MATCHES.c.kind)
    oldest = {row[0]: row[1] for row in place.connection.execute(pending)}
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    accepted = sa.select(_MATCHES.c.id, _MATCHES.c.kind).where(mine, IS_MANUAL, _MATCHES.c.state == "closed")
    for match_id, kind in place.connection.execute(accepted):
        right[kind] += match_id < oldest.get(kind, match_id + 1)
    by_hand = _MATCHES.alias("by_hand")
    settled = (by_hand.c.reconciliation_id == place.id, sa.text("by_hand.manual"), by_hand.c.state == "closed")
    again = sa.exists().where(*settled, by_hand.c.key == _MATCHES.c.key)
    refused = sa.select(_MATCHES.c.kind, sa.func.count()).where(mine, IS_BARRED, ~again)
    for kind, count in place.connection.execute(refused.group_by(_MATCHES.c.kind)):
        wrong[kind] += count
    same: sa.ColumnElement[Any] = by_hand.c.key == _MATCHES.c.key
    told = sa.select(_MATCHES.c.id, _MATCHES.c.kind, same).join(by_hand, by_hand.c.id == _MATCHES.c.replaced_by)
    for match_id, kind, is_same in place.connection.execute(told.where(mine, IS_REPLACED, *settled)):
        if is_same:
            right[kind] += match_id < oldest.get(kind, match_id + 1)
        else:
            wrong[kind] += 1
    return {kind: (right[kind] + wrong[kind], wrong[kind]) for kind in sorted(right.keys() | wrong.keys())}
