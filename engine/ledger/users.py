"""People who may sign in to the console: added, given roles, reset and disabled, each change in the audit log.

Nobody is deleted: a name stands in reviews and in the audit log for good, and must never come to mean another person.
Passwords arrive here as argon2 hashes (`console.passwords`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import available_timezones

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.errors import UserError
from engine.ledger import audit_log
from engine.ledger import console_tables as t
from engine.ledger.database import Database, insert_new, one_at_a_time

ROLES = ("operator", "qa_lead", "developer", "admin")
THEMES = ("auto", "light", "dark")
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_MOST_LETTERS = 200


@dataclass(frozen=True)
class User:
    """One person."""

    name: str
    full_name: str
    roles: tuple[str, ...]
    language: str | None
    """None: as the browser asks."""
    theme: str
    timezone: str
    must_change: bool
    """Somebody else knows the password: it has to be changed before anything else."""
    created_at: datetime
    disabled_at: datetime | None


def any_user(database: Database) -> bool:
    """Say whether there is anybody at all."""
    with database.read() as connection:
        return connection.execute(sa.select(t.users.c.name).limit(1)).first() is not None


def listing(database: Database) -> list[User]:
    """Return everybody, those who may sign in first."""
    query = sa.select(*_columns()).order_by(t.users.c.disabled_at.is_not(None), t.users.c.name)
    with database.read() as connection:
        return [user_of(row._asdict()) for row in connection.execute(query)]


def find(database: Database, name: str) -> User:
    """Return one person.

    Raises:
        UserError: nobody has that name.
    """
    with database.read() as connection:
        return _found(connection, name)


def password_of(database: Database, name: str) -> str | None:
    """Return the password's hash of somebody who may sign in with one; None for everybody else."""
    query = sa.select(t.users.c.password).where(t.users.c.name == name, t.users.c.disabled_at.is_(None))
    with database.read() as connection:
        found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def add(database: Database, name: str, full_name: str, roles: Iterable[str], password: str | None, actor: str) -> None:
    """Add a person, who has to change the password at the first sign-in.

    Raises:
        UserError: the name is taken or is none, or a role is not known.
    """
    given = _roles(roles)
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} is no user name: small letters, digits and . _ @ - only, at most 64 in all")
    if not 0 < len(full_name.strip()) <= _MOST_LETTERS:
        raise UserError(f"a full name has 1 to {_MOST_LETTERS} letters")
    row: dict[str, Any] = {"name": name, "full_name": full_name.strip(), "roles": list(given), "password": password}
    row |= {"must_change": True, "theme": "auto", "timezone": "UTC", "created_at": database.clock.now()}
    with audit_log.recorded(database, actor, "user.add", f"user {name}", roles=list(given)) as (connection, _):
        if not insert_new(connection, t.users, [row], t.users.c.name):
            raise UserError(f"there is a user {name} already; nobody's name is ever given to somebody else")


def set_password(database: Database, name: str, password: str, actor: str) -> None:
    """Set a password; whoever else did it than the person has made one that must be changed. All sessions end."""
    own = name == actor
    with audit_log.recorded(database, actor, "user.password", f"user {name}", own=own) as (connection, _):
        _change(connection, name, password=password, must_change=not own)
        end_sessions(connection, database, name)


def renew_hash(database: Database, name: str, password: str) -> None:
    """Replace a hash that was made with weaker parameters; the password is the same."""
    with database.write() as connection:
        _change(connection, name, password=password)


def set_roles(database: Database, name: str, roles: Iterable[str], actor: str) -> None:
    """Give a person these roles and no other; sessions end, so that the next page knows.

    Raises:
        UserError: a role is not known, or nobody would be admin any more.
    """
    given = _roles(roles)
    with audit_log.recorded(database, actor, "user.roles", f"user {name}", roles=list(given)) as (connection, said):
        said["before"] = list(_found(connection, name).roles)
        _change(connection, name, roles=list(given))
        _keep_an_admin(connection)
        end_sessions(connection, database, name)


def disable(database: Database, name: str, actor: str) -> None:
    """Let a person not sign in any more; what is signed in is signed out.

    Raises:
        UserError: there is no such person, or nobody would be admin any more.
    """
    with audit_log.recorded(database, actor, "user.disable", f"user {name}") as (connection, _):
        _change(connection, name, disabled_at=database.clock.now())
        _keep_an_admin(connection)
        end_sessions(connection, database, name)


def enable(database: Database, name: str, actor: str) -> None:
    """Let a person sign in again."""
    with audit_log.recorded(database, actor, "user.enable", f"user {name}") as (connection, _):
        _change(connection, name, disabled_at=None)


def set_preferences(database: Database, name: str, *, language: str | None, theme: str, timezone: str) -> None:
    """Keep how a person wants to see the console.

    Raises:
        UserError: there is no such theme or time zone.
    """
    if theme not in THEMES:
        raise UserError(f"there is no theme {theme!r}; one of {', '.join(THEMES)}")
    if timezone not in available_timezones():
        raise UserError(f"there is no time zone {timezone!r}; write one like Europe/Berlin")
    with database.write() as connection:
        _change(connection, name, language=language, theme=theme, timezone=timezone)


def end_sessions(connection: Connection, database: Database, name: str) -> None:
    """Sign a person out everywhere, in the caller's transaction."""
    ours = sa.and_(t.sessions.c.user == name, t.sessions.c.revoked_at.is_(None))
    connection.execute(sa.update(t.sessions).where(ours).values(revoked_at=database.clock.now()))


def user_of(row: Mapping[str, Any]) -> User:
    """Return the person of a row."""
    return User(**{name: row[name] for name in User.__dataclass_fields__} | {"roles": tuple(row["roles"])})


def _columns() -> list[sa.Column[Any]]:
    return [t.users.c[name] for name in User.__dataclass_fields__]


def _found(connection: Connection, name: str) -> User:
    row = connection.execute(sa.select(*_columns()).where(t.users.c.name == name)).first()
    if row is None:
        raise UserError(f"there is no user {name}; `runner.py users list` shows who there is")
    return user_of(row._asdict())


def _change(connection: Connection, name: str, **values: Any) -> None:
    changed = sa.update(t.users).where(t.users.c.name == name).values(**values).returning(t.users.c.name)
    if connection.execute(changed).first() is None:
        raise UserError(f"there is no user {name}; `runner.py users list` shows who there is")


def _keep_an_admin(connection: Connection) -> None:
    one_at_a_time(connection, "admins")
    rows = connection.execute(sa.select(t.users.c.roles).where(t.users.c.disabled_at.is_(None))).scalars()
    if not any("admin" in roles for roles in rows):
        raise UserError("nobody would be admin any more; make somebody else admin first")


def _roles(roles: Iterable[str]) -> tuple[str, ...]:
    given = set(roles)
    if unknown := sorted(given - set(ROLES)):
        raise UserError(f"there is no role {unknown[0]!r}; there are {', '.join(ROLES)}")
    if not given:
        raise UserError(f"a user needs a role: {', '.join(ROLES)}")
    return tuple(role for role in ROLES if role in given)
