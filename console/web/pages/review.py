"""The review desk: what waits, one item with everything to decide it by, and the next one in a key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi.responses import Response

from console.review_view import compared
from console.web.deciding import Decision, Seen, StaleView, decide, next_item, open_item, place_of, written
from console.web.routes import Routes
from console.web.visit import Filled, Here, Visit
from console.web.words import N_
from engine.errors import UserError
from engine.ledger import claims, reads, review_queue, reviews
from engine.ledger.rows import EvidenceRow, Waiting

routes = Routes("review")
REVIEWERS = frozenset({"qa_lead"})
_PAGE = 30
_FIELD = "field:"
"""What the names of the inputs of a correction begin with."""
_DONE = {
    "accept": N_("Item %(item)s accepted."),
    "reject": N_("Item %(item)s rejected."),
    "correct": N_("Correction of item %(item)s ordered; the bot mends the record and proves it."),
    "second": N_("Item %(item)s accepted; it is over the four-eyes limit and waits for a second person."),
}


@routes.get("/review", roles=REVIEWERS)
def queue(here: Here, after: str = "", workflow: str | None = None) -> Response:
    """List what waits, longest wait first."""
    database, name = here.house.database, here.user.name
    start = place_of(after)
    rows = review_queue.review_queue(database, viewer=name, workflow=workflow or None, after=start, limit=_PAGE + 1)
    shown = rows[:_PAGE]
    more = written(shown[-1]) if len(rows) > _PAGE else None
    held = claims.held(database, [row.id for row in shown], but_of=name)
    count = here.house.memo.get("waiting", lambda: review_queue.waiting_count(database))
    data: dict[str, Any] = {
        "rows": shown,
        "more": more,
        "held": held,
        "count": count,
        "workflow": workflow,
        "start": after,
    }
    return here.page("review.html", **data, said=_said(here))


@routes.get("/review/next", roles=REVIEWERS)
def following(here: Here, after: str = "") -> Response:
    """Go to the item that waits longest and that nobody else looks at; after a place in the queue, if given."""
    return _on(here, after)


@routes.get("/review/{item_id}", roles=REVIEWERS)
def item(here: Here, item_id: int) -> Response:
    """Show one item and claim it."""
    return _item(here, item_id)


@routes.post("/review/{item_id}/take", roles=REVIEWERS)
def take(here: Here, item_id: int) -> Response:
    """Take an item over from somebody else."""
    review_queue.waiting(here.house.database, item_id, here.user.name)
    open_item(here.house, item_id, here.user.name, take_over=True)
    return here.go(f"/review/{item_id}")


@routes.post("/review/{item_id}/hold", roles=REVIEWERS)
def hold(here: Here, item_id: int) -> Response:
    """Keep an item claimed while its page is looked at; 409 if somebody else has it now."""
    review_queue.waiting(here.house.database, item_id, here.user.name)
    return Response(
        status_code=204 if open_item(here.house, item_id, here.user.name).reviewer == here.user.name else 409
    )


@routes.post("/review/{item_id}", roles=REVIEWERS)
def decided(here: Here, item_id: int, form: Filled) -> Response:
    """Decide, then go on to the next item."""
    decision = form.get("decision", "")
    if decision not in _DONE:
        raise UserError(f"{decision!r} is no decision")
    attempt = form.get("attempt", "")
    seen = Seen(int(attempt) if attempt.isdigit() else None, form.get("accepted_by") or None)
    typed = {name.removeprefix(_FIELD): value for name, value in form.items() if name.startswith(_FIELD)}
    reason = form.get("reason", "").strip()
    try:
        done = decide(here.house, item_id, here.user.name, cast("Decision", decision), reason, seen, typed)
    except StaleView as stale:
        data = {"item_id": item_id, "why": str(stale), "place": form.get("place", ""), "decided": True}
        return here.page("review_stale.html", status=409, **data)
    except UserError as error:
        return _item(here, item_id, problem=str(error), typed=typed, reason=reason, status=400)
    return _on(here, form.get("place", ""), done="second" if done.needs_second else decision, item=item_id)


def _on(here: Visit, after: str, **said: Any) -> Response:
    row = next_item(here.house, here.user.name, place_of(after))
    return here.go(f"/review/{row.id}", **said) if row else here.go("/review", **said)


def _item(
    here: Visit,
    item_id: int,
    *,
    problem: str = "",
    typed: Mapping[str, str] | None = None,
    reason: str = "",
    status: int = 200,
) -> Response:
    database, name = here.house.database, here.user.name
    try:
        found = review_queue.waiting(database, item_id, name)
    except UserError:
        why = reviews.standing(database, item_id, name)
        return here.page("review_stale.html", status=404, item_id=item_id, why=why, place="", decided=False)
    workflow = here.house.definition(found.row.definition_hash)
    held = open_item(here.house, item_id, name)
    data: dict[str, Any] = {
        "found": found,
        "row": found.row,
        "lines": compared(found, workflow.fields),
        "fields": workflow.fields,
        "pictures": _pictures(here, found),
        "held": held if held.reviewer != name else None,
        "place": written(found.row),
        "typed": typed or {},
        "reason": reason,
        "problem": problem,
        "said": _said(here),
    }
    return here.page("review_item.html", status=status, **data)


def _pictures(here: Visit, found: Waiting) -> Sequence[EvidenceRow]:
    """Return the screenshots of the attempt that is judged, the newest first."""
    rows = reads.evidence(here.house.database, [found.row.id])
    return [row for row in rows if row.attempt_id == found.row.attempt_id]


def _said(here: Visit) -> str:
    query = here.request.query_params
    text = _DONE.get(query.get("done", ""))
    item_id = query.get("item", "")
    return here.say(text, item=item_id) if text and item_id.isdecimal() else ""
