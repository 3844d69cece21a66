"""Users: who may sign in and as what; a new password is shown once, to whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Form
from fastapi.responses import Response

from console import passwords
from console.web.routes import Routes
from console.web.visit import Here, Visit
from engine.errors import UserError
from engine.ledger import users

routes = Routes("users")
ADMINS = frozenset({"admin"})
_NO_ROLES: list[str] = []


@routes.get("/users", roles=ADMINS)
def listing(here: Here) -> Response:
    """List everybody."""
    return _page(here)


@routes.post("/users", roles=ADMINS)
def add(
    here: Here,
    name: Annotated[str, Form()],
    full_name: Annotated[str, Form()],
    roles: Annotated[list[str], Form()] = _NO_ROLES,
) -> Response:
    """Add a person with a random password."""
    password = passwords.random_password()
    try:
        users.add(here.house.database, name, full_name, roles, passwords.hashed(password), here.user.name)
    except UserError as error:
        return _page(here, problem=str(error), status=400)
    return _page(here, shown=(name, password))


@routes.post("/users/{name}/reset", roles=ADMINS)
def reset(here: Here, name: str) -> Response:
    """Give a person a new random password, to be changed at the next sign-in."""
    password = passwords.random_password()
    users.find(here.house.database, name)
    if name == here.user.name:
        return here.go("/account")
    users.set_password(here.house.database, name, passwords.hashed(password), here.user.name)
    return _page(here, shown=(name, password))


@routes.post("/users/{name}/roles", roles=ADMINS)
def give(here: Here, name: str, roles: Annotated[list[str], Form()] = _NO_ROLES) -> Response:
    """Give a person these roles and no other."""
    return _tried(here, lambda: users.set_roles(here.house.database, name, roles, here.user.name))


@routes.post("/users/{name}/disable", roles=ADMINS)
def disable(here: Here, name: str) -> Response:
    """Let a person not sign in any more."""
    return _tried(here, lambda: users.disable(here.house.database, name, here.user.name))


@routes.post("/users/{name}/enable", roles=ADMINS)
def enable(here: Here, name: str) -> Response:
    """Let a person sign in again."""
    return _tried(here, lambda: users.enable(here.house.database, name, here.user.name))


def _tried(here: Visit, change: Callable[[], None]) -> Response:
    try:
        change()
    except UserError as error:
        return _page(here, problem=str(error), status=400)
    return here.go("/users")


def _page(here: Visit, *, shown: tuple[str, str] | None = None, problem: str = "", status: int = 200) -> Response:
    rows = users.listing(here.house.database)
    return here.page("users.html", status=status, rows=rows, roles=users.ROLES, shown=shown, problem=problem)
