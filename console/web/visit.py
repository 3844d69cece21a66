"""One request: who asks, in which language, and how pages answer it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from console.web.house import House
from console.web.language import Writing, chosen, translations
from console.web.navigation import menu_for
from console.web.rendering import render
from console.web.words import word
from engine.ledger.sign_in import Session, session
from engine.ledger.users import User

FORM_COOKIE = "form"
"""What the form of the sign-in page is tied to, before there is a session."""
_UTC = "UTC"


class SignInFirst(Exception):
    """The page is for people who are signed in, with a password of their own; `where` leads there."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class Forbidden(Exception):
    """The request is refused: `role` (not for this person) or `csrf` (not from a page of ours)."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True)
class Visit:
    """What an endpoint needs to know of its request."""

    house: House
    request: Request
    session: Session | None
    csrf: str
    """What an unsafe request has to carry; empty if it can carry nothing yet."""
    writing: Writing

    @property
    def user(self) -> User:
        """Return who is signed in; only for endpoints that are not public."""
        if self.session is None:
            raise LookupError("nobody is signed in")
        return self.session.user

    @property
    def address(self) -> str:
        """Return where the request comes from."""
        return self.request.client.host if self.request.client else ""

    def say(self, text: str, **parts: Any) -> str:
        """Return a text in the person's language, with its parts filled in."""
        said = translations(self.writing.code).gettext(text)
        return said % parts if parts else said

    def may(self, role: str) -> bool:
        """Say whether somebody is signed in who has this role."""
        return self.session is not None and role in self.session.user.roles

    def page(self, template: str, *, status: int = 200, **data: Any) -> Response:
        """Answer with a page, or a part of one."""
        roles = self.session.user.roles if self.session else ()
        menu = menu_for(self.request.app.state.declared, roles)
        html = render(template, self.writing.code, here=self, menu=menu, now=self.house.database.clock.now(), **data)
        return HTMLResponse(html, status)

    def go(self, path: str, **query: Any) -> Response:
        """Answer a form: the browser asks for another page of ours."""
        kept = {name: value for name, value in query.items() if value is not None}
        return RedirectResponse(path + (f"?{urlencode(kept)}" if kept else ""), 303)

    def word(self, code: str) -> str:
        """Return the ledger's word for something in the person's language."""
        return self.say(word(code))


def session_cookie(house: House) -> str:
    """Return the name of the session's cookie; under TLS one that browsers tie to this very host."""
    return "__Host-countersign" if house.https else "countersign"


def visit(request: Request) -> Visit:
    """Find out who asks."""
    house: House = request.app.state.house
    token = request.cookies.get(session_cookie(house))
    found = session(house.database, token) if token else None
    user = found.user if found else None
    code = chosen(user.language if user else None, request.headers.get("accept-language", ""))
    csrf = found.csrf if found else request.cookies.get(FORM_COOKIE, "")
    return Visit(house, request, found, csrf, Writing(code, ZoneInfo(user.timezone if user else _UTC)))


Here = Annotated[Visit, Depends(visit)]


async def filled(request: Request) -> Mapping[str, str]:
    """Return the fields of a form whose names are not known before; of a name given twice, the last."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


Filled = Annotated[Mapping[str, str], Depends(filled)]
