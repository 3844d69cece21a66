"""The audit log: who did what, newest first, and whether the chain still holds.

What somebody may be asked to judge without knowing who judged it before is left out for this person until then.
"""

from __future__ import annotations

from fastapi.responses import Response

from console.web.routes import Routes
from console.web.visit import Here, Visit
from engine.ledger import audit_log, review_queue

routes = Routes("audit")
READERS = frozenset({"admin"})
_PAGE = 50


@routes.get("/audit", roles=READERS)
def entries(
    here: Here, before: int | None = None, actor: str | None = None, action: str | None = None, about: str | None = None
) -> Response:
    """List entries."""
    return _page(here, before, {"actor": actor, "action": action, "about": about})


@routes.post("/audit/verify", roles=READERS)
def verify(here: Here) -> Response:
    """Compute the chain anew."""
    return _page(here, None, {}, audit_log.verify(here.house.database))


def _page(
    here: Visit, before: int | None, wanted: dict[str, str | None], chain: audit_log.Chain | None = None
) -> Response:
    filters = {name: value for name, value in wanted.items() if value}
    rows = audit_log.entries(here.house.database, before=before, limit=_PAGE + 1, **filters)
    more = rows[_PAGE - 1].number if len(rows) > _PAGE else None
    veiled = {f"item {item_id}" for item_id in review_queue.unknowing(here.house.database, here.user.name)}
    shown = [row for row in rows[:_PAGE] if row.object not in veiled or not row.action.startswith("review.")]
    return here.page("audit.html", rows=shown, more=more, filters=filters, before=before, chain=chain)
