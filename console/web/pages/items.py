"""One item: everything that happened to it, and the sealed files that prove it."""

from __future__ import annotations

from fastapi.responses import FileResponse, RedirectResponse, Response

from console.timeline import moments
from console.web.routes import EVERYONE, Routes
from console.web.visit import Here
from engine.errors import UserError
from engine.evidence import EvidenceFile
from engine.ledger import reads

routes = Routes("runs")
_PICTURES = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png"}
_FOR_FILES = {"content-security-policy": "sandbox; default-src 'none'", "cache-control": "private, max-age=3600"}


@routes.get("/items", roles=EVERYONE)
def by_number(number: str = "") -> Response:
    """Go to the item of a number."""
    if not number.strip().isdecimal():
        raise UserError(f"{number!r} is no number of an item")
    return RedirectResponse(f"/items/{int(number)}", 303)


@routes.get("/items/{item_id}", roles=EVERYONE)
def item(here: Here, item_id: int) -> Response:
    """Show one item's timeline."""
    detail = reads.item(here.house.database, item_id, here.user.name)
    fields = here.house.definition(detail.definition_hash).fields
    story = [(when, type(moment).__name__, moment) for when, moment in moments(detail)]
    return here.page("item.html", detail=detail, item=detail.item, story=story, fields=fields)


@routes.get("/items/{item_id}/evidence/{evidence_id}", roles=EVERYONE)
def evidence(here: Here, item_id: int, evidence_id: int) -> Response:
    """Return a sealed file, if it still is what was sealed: pictures to be shown, everything else to be saved."""
    detail = reads.item(here.house.database, item_id, here.user.name)
    row = next((row for row in detail.evidence if row.id == evidence_id and row.pruned_at is None), None)
    if row is None:
        raise UserError(f"item {item_id} has no file {evidence_id}")
    file = EvidenceFile(row.kind, row.path, row.sha256, row.size)
    if not here.house.evidence.verify(file):
        raise UserError(f"{row.path} is missing, or is not any more what was sealed")
    path = here.house.evidence.path(file)
    with path.open("rb") as opened:
        kind = _PICTURES.get(opened.read(2))
    if kind:
        return FileResponse(path, media_type=kind, headers=_FOR_FILES)
    name = f"item-{item_id}-{evidence_id}{path.suffix}"
    return FileResponse(path, media_type="application/octet-stream", filename=name, headers=_FOR_FILES)
