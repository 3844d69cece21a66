"""One's own account: language, theme, time zone, password, and where one is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form
from fastapi.responses import Response

from console import passwords
from console.web.language import LANGUAGES
from console.web.pages.login import signed_in
from console.web.routes import EVERYONE, Routes
from console.web.visit import Here, Visit
from console.web.words import N_
from engine.errors import UserError
from engine.ledger import sign_in, users

routes = Routes("account")
_WRONG = N_("The present password is another one.")
_TWICE = N_("The new password was not written the same twice.")
_SAME = N_("The new password is the old one.")
_TRIES = 5


@routes.get("/account", roles=EVERYONE, unchanged=True)
def show(here: Here) -> Response:
    """Show one's account."""
    return _page(here)


@routes.post("/account/preferences", roles=EVERYONE)
def prefer(
    here: Here, language: Annotated[str, Form()], theme: Annotated[str, Form()], timezone: Annotated[str, Form()]
) -> Response:
    """Keep language, theme and time zone."""
    try:
        chosen = language if language in LANGUAGES else None
        users.set_preferences(here.house.database, here.user.name, language=chosen, theme=theme, timezone=timezone)
    except UserError as error:
        return _page(here, str(error), 400)
    return here.go("/account", done="saved")


@routes.post("/account/password", roles=EVERYONE, unchanged=True)
def change(
    here: Here,
    present: Annotated[str, Form()],
    new: Annotated[str, Form()],
    again: Annotated[str, Form()],
) -> Response:
    """Change one's password; every other session ends."""
    database, name = here.house.database, here.user.name
    key = f"change {name}"
    if sign_in.try_once(database, {key: _TRIES}):
        return _page(here, here.say(_WRONG), 429)
    if not passwords.is_right(users.password_of(database, name), present):
        return _page(here, here.say(_WRONG), 400)
    sign_in.forget(database, [key])
    if new != again or new == present:
        return _page(here, here.say(_TWICE if new != again else _SAME), 400)
    try:
        users.set_password(database, name, passwords.hashed(new, name=name), name)
    except UserError as error:
        return _page(here, str(error), 400)
    return signed_in(here, name, "/account?done=password")


@routes.post("/account/sign-out-elsewhere", roles=EVERYONE)
def sign_out_elsewhere(here: Here) -> Response:
    """End every other session."""
    database, name = here.house.database, here.user.name
    for row in sign_in.sessions_of(database, name):
        if here.session is not None and row.token_hash != here.session.token_hash:
            sign_in.close_session(database, row.token_hash, name)
    return here.go("/account", done="saved")


def _page(here: Visit, problem: str = "", status: int = 200) -> Response:
    sessions = sign_in.sessions_of(here.house.database, here.user.name)
    own = here.session.token_hash if here.session else ""
    done = here.request.query_params.get("done", "")
    return here.page("account.html", status=status, sessions=sessions, own=own, problem=problem, done=done)
