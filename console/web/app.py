"""Makes the console's web application: pages, guard, static files; it does not start where a route says no role."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from console.web.guard import Guard
from console.web.house import House
from console.web.pages import account, audit, health, items, login, review, runs, today, users
from console.web.routes import STATIC, declared
from console.web.visit import Forbidden, SignInFirst, visit
from console.web.words import N_
from engine.errors import UserError

PAGES = (health, login, account, today, review, runs, items, audit, users)
"""Every page; a new one is one module with `routes`, and its name here."""
_SENTENCES = {
    "role": N_("Your role does not allow this."),
    "csrf": N_(
        "This page was open for too long, or the request did not come from it. Load it again and try once more."
    ),
    404: N_("There is no such page."),
    405: N_("There is no such page."),
    413: N_("The request is too large."),
    422: N_("The request was not understood."),
}


def create_app(house: House) -> FastAPI:
    """Return the application.

    Raises:
        RuntimeError: a route does not say who may use it.
    """
    app = FastAPI(title="Countersign", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = house
    for page in PAGES:
        page.routes.attach(app)
    app.mount(STATIC, _Assets(directory=Path(__file__).parent / "static"), name="static")
    app.state.declared = declared(app)
    app.add_exception_handler(SignInFirst, _sign_in)
    app.add_exception_handler(Forbidden, _forbidden)
    app.add_exception_handler(UserError, _mistake)
    app.add_exception_handler(HTTPException, _missing)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_middleware(Guard, hosts=house.hosts, https=house.https)
    return app


class _Assets(StaticFiles):
    """Files that ship with the console: browsers keep them, and ask whether they are still the same."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """Return a file."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["cache-control"] = "no-cache"
        return response


def _sign_in(request: Request, error: Exception) -> Response:
    where = error.where if isinstance(error, SignInFirst) else "/login"
    if request.headers.get("hx-request"):
        return Response(status_code=204, headers={"hx-redirect": where})
    return RedirectResponse(where, 303)


def _forbidden(request: Request, error: Exception) -> Response:
    here = visit(request)
    why = error.why if isinstance(error, Forbidden) else "role"
    who = here.session.user.name if here.session else "-"
    logger.bind(event="console.refused", user=who, path=request.url.path, why=why).warning("refused: {}", why)
    return here.page("problem.html", status=403, sentence=here.say(_SENTENCES[why]))


def _mistake(request: Request, error: Exception) -> Response:
    return visit(request).page("problem.html", status=404, sentence=str(error))


def _missing(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    here = visit(request)
    return here.page("problem.html", status=status, sentence=here.say(_SENTENCES.get(status, _SENTENCES[404])))


def _misunderstood(request: Request, _error: Exception) -> Response:
    here = visit(request)
    return here.page("problem.html", status=422, sentence=here.say(_SENTENCES[422]))
