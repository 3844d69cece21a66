"""Routes that say who may use them: nothing is reachable by default, and an app with a silent route does not start."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import Mount

from console.web.visit import Forbidden, Here, SignInFirst
from engine.ledger.users import ROLES

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
EVERYONE = frozenset(ROLES)
"""Everybody who is signed in."""
PUBLIC: frozenset[str] = frozenset()
"""Also those who are not."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
STATIC = "/static"


class Allow:
    """What stands before every endpoint: the sign-in, the role, and the token against forged requests."""

    def __init__(self, roles: frozenset[str], *, unchanged: bool) -> None:
        self.roles = roles
        self.unchanged = unchanged
        """Whether somebody may come who has to change the password first."""

    async def __call__(self, request: Request, here: Here) -> None:
        """Let the request pass, or raise.

        Raises:
            SignInFirst: nobody is signed in, or the password has to be changed first.
            Forbidden: the role is not among those allowed, or the form was not one of ours.
        """
        if self.roles:
            if here.session is None:
                raise SignInFirst("/login")
            if here.session.user.must_change and not self.unchanged:
                raise SignInFirst("/account")
            if not self.roles.intersection(here.session.user.roles):
                raise Forbidden("role")
        if request.method not in SAFE:
            sent = request.headers.get("x-csrf-token") or (await request.form()).get("csrf")
            if not here.csrf or not secrets.compare_digest(str(sent or "").encode(), here.csrf.encode()):
                raise Forbidden("csrf")


@dataclass(frozen=True)
class Declared:
    """One route."""

    method: str
    path: str
    endpoint: Callable[..., Any]
    allow: Allow


class Routes:
    """The routes of one page; `key` is the page's place in the navigation."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.all: list[Declared] = []

    def get(self, path: str, *, roles: frozenset[str], unchanged: bool = False) -> Callable[[Endpoint], Endpoint]:
        """Declare what answers GET; `unchanged` also for somebody who has to change the password first."""
        return self._add("GET", path, Allow(roles, unchanged=unchanged))

    def post(self, path: str, *, roles: frozenset[str], unchanged: bool = False) -> Callable[[Endpoint], Endpoint]:
        """Declare what answers POST."""
        return self._add("POST", path, Allow(roles, unchanged=unchanged))

    def attach(self, app: FastAPI) -> None:
        """Add the routes to an app, each behind its door."""
        for one in self.all:
            door = [Depends(one.allow)]
            app.add_api_route(one.path, one.endpoint, methods=[one.method], dependencies=door, response_model=None)

    def _add(self, method: str, path: str, allow: Allow) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            self.all.append(Declared(method, path, endpoint, allow))
            return endpoint

        return add


def declared(app: FastAPI) -> Mapping[tuple[str, str], frozenset[str]]:
    """Return method and path of every route of an app, with the roles that may use it.

    Raises:
        RuntimeError: a route does not say who may use it.
    """
    found: dict[tuple[str, str], frozenset[str]] = {}
    for route in app.routes:
        if isinstance(route, Mount) and route.path == STATIC:
            continue
        allow = [part.dependency for part in getattr(route, "dependencies", ()) if isinstance(part.dependency, Allow)]
        if not isinstance(route, APIRoute) or len(allow) != 1:
            raise RuntimeError(f"the route {getattr(route, 'path', route)} does not say who may use it")
        for method in route.methods or ():
            found[method, route.path] = allow[0].roles
    return found
