"""Sign in and out."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Form
from fastapi.responses import Response

from console import passwords
from console.web.routes import EVERYONE, PUBLIC, Routes
from console.web.visit import FORM_COOKIE, Here, Visit, session_cookie
from console.web.words import N_
from engine.ledger import audit_log, sign_in, users

routes = Routes("login")
_WRONG = N_("Name and password do not belong together.")
_WAIT = N_("Too many tries. Wait %(time)s, then try again.")
_TRIES_OF_BOTH, _TRIES_OF_NAME, _TRIES_OF_ADDRESS = 5, 50, 20
"""Failures before one has to wait: of a name from an address, a name, an address (NIST SP 800-63B: at most 100)."""


@routes.get("/login", roles=PUBLIC)
def form(here: Here) -> Response:
    """Show the sign-in form."""
    if here.session is not None:
        return here.go("/")
    return _form(here)


@routes.post("/login", roles=PUBLIC)
def sign_in_with(here: Here, name: Annotated[str, Form()], password: Annotated[str, Form()]) -> Response:
    """Sign in, or say that name and password do not belong together, or that one has to wait."""
    database, name = here.house.database, name.strip().lower()[:64]
    limits = {
        f"both {name} {here.address}": _TRIES_OF_BOTH,
        f"name {name}": _TRIES_OF_NAME,
        f"address {here.address}": _TRIES_OF_ADDRESS,
    }
    if wait := sign_in.try_once(database, limits):
        return _form(here, here.say(_WAIT, time=here.writing.age(wait)), name, 429)
    stored = users.password_of(database, name)
    if not passwords.is_right(stored, password) or stored is None:
        with database.write() as connection:
            known = name if stored is not None else "-"  # what was typed may be a password in the wrong box
            audit_log.append(connection, database, known, "session.refused", "console", {"address": here.address})
        return _form(here, here.say(_WRONG), name, 401)
    sign_in.forget(database, limits)
    if passwords.is_weak(stored):
        users.renew_hash(database, name, passwords.hashed(password))
    return signed_in(here, name, "/")


@routes.post("/logout", roles=EVERYONE, unchanged=True)
def sign_out(here: Here) -> Response:
    """Sign out."""
    if here.session is not None:
        sign_in.close_session(here.house.database, here.session.token_hash, here.user.name)
    response = here.go("/login")
    response.delete_cookie(session_cookie(here.house), path="/", secure=here.house.https, httponly=True)
    return response


def signed_in(here: Visit, name: str, path: str) -> Response:
    """Open a session and go on to a page."""
    agent = here.request.headers.get("user-agent", "")
    token = sign_in.open_session(here.house.database, name, address=here.address, agent=agent)
    response = here.go(path)
    _keep(here, response, session_cookie(here.house), token)
    response.delete_cookie(FORM_COOKIE, path="/")
    return response


def _form(here: Visit, problem: str = "", name: str = "", status: int = 200) -> Response:
    csrf = here.csrf or secrets.token_urlsafe(24)
    response = here.page("login.html", status=status, csrf=csrf, problem=problem, name=name)
    if not here.csrf:
        _keep(here, response, FORM_COOKIE, csrf)
    return response


def _keep(here: Visit, response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, path="/", httponly=True, samesite="lax", secure=here.house.https)
