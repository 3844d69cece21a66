"""Is it there, and can it work? For load balancers and monitors; nothing is told beside yes and no."""

from __future__ import annotations

from fastapi.responses import PlainTextResponse, Response
from sqlalchemy.exc import DBAPIError

from console.web.routes import PUBLIC, Routes
from console.web.visit import Here
from engine.errors import UserError
from engine.ledger import schema

routes = Routes("health")


@routes.get("/healthz", roles=PUBLIC)
def healthz() -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok\n")


@routes.get("/readyz", roles=PUBLIC)
def readyz(here: Here) -> Response:
    """Say whether the ledger answers and has this version's schema."""
    try:
        ready = schema.version(here.house.database) == schema.newest()
    except (UserError, DBAPIError):
        ready = False
    return PlainTextResponse("ok\n" if ready else "not ready\n", 200 if ready else 503)
