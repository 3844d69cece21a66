"""Who is signed in, and who has to wait before trying again; both live in the ledger, for all processes and restarts.

A session is known by the SHA-256 of its token: who reads the ledger, or a backup, cannot take one over.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from engine.ledger import audit_log
from engine.ledger import console_tables as t
from engine.ledger.database import Database, insert_new
from engine.ledger.users import User, user_of

LIFETIME = timedelta(hours=12)
IDLE = timedelta(hours=1)
"""A session ends so long after the last request."""
_TOUCH = timedelta(minutes=1)
"""How exactly the last request is known: a write a minute, not a request."""
_KEPT = timedelta(days=30)
MEMORY = timedelta(minutes=15)
"""Failures longer ago are forgotten."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=15), timedelta(minutes=15)


@dataclass(frozen=True)
class Session:
    """One sign-in of one person in one browser."""

    token_hash: str
    csrf: str
    """What every form of the session carries."""
    user: User
    expires_at: datetime


@dataclass(frozen=True)
class SessionRow:
    """One line of a person's sessions."""

    token_hash: str
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime


def open_session(database: Database, name: str, *, address: str, agent: str) -> str:
    """Sign a person in and return the token for the cookie; it is nowhere else."""
    token, now = secrets.token_urlsafe(32), database.clock.now()
    row: dict[str, Any] = {
        "token_hash": _hash(token),
        "user": name,
        "csrf": secrets.token_urlsafe(32),
        "address": address,
    }
    row |= {"agent": agent[:200], "created_at": now, "seen_at": now, "expires_at": now + LIFETIME}
    with audit_log.recorded(database, name, "session.open", f"user {name}", address=address) as (connection, _):
        connection.execute(sa.delete(t.sessions).where(t.sessions.c.expires_at < now - _KEPT))
        connection.execute(sa.insert(t.sessions).values(**row))
    return token


def session(database: Database, token: str) -> Session | None:
    """Return the session of a token; None if there is none, or it has expired, was revoked, or its user disabled."""
    now = database.clock.now()
    s = t.sessions.c
    query = (
        sa.select(s.token_hash, s.csrf, s.expires_at, s.seen_at, t.users)
        .join(t.users, t.users.c.name == s.user)
        .where(s.token_hash == _hash(token), s.revoked_at.is_(None), t.users.c.disabled_at.is_(None))
        .where(s.expires_at > now, s.seen_at > now - IDLE)
    )
    with database.read() as connection:
        row = connection.execute(query).first()
    if row is None:
        return None
    if now - row.seen_at >= _TOUCH:
        with database.write() as connection:
            seen = sa.update(t.sessions).where(s.token_hash == row.token_hash, s.seen_at < now)
            connection.execute(seen.values(seen_at=now))
    return Session(row.token_hash, row.csrf, user_of(row._asdict()), row.expires_at)


def sessions_of(database: Database, name: str) -> list[SessionRow]:
    """Return where a person is signed in, newest use first."""
    now, s = database.clock.now(), t.sessions.c
    columns = [s[field] for field in SessionRow.__dataclass_fields__]
    live = sa.and_(s.user == name, s.revoked_at.is_(None), s.expires_at > now, s.seen_at > now - IDLE)
    with database.read() as connection:
        rows = connection.execute(sa.select(*columns).where(live).order_by(s.seen_at.desc()))
        return [SessionRow(*row) for row in rows]


def close_session(database: Database, token_hash: str, name: str) -> bool:
    """Sign out one session of a person; False if it is not signed in."""
    with audit_log.recorded(database, name, "session.close", f"user {name}") as (connection, _):
        s = t.sessions.c
        ours = sa.and_(s.token_hash == token_hash, s.user == name, s.revoked_at.is_(None))
        closed = sa.update(t.sessions).where(ours).values(revoked_at=database.clock.now()).returning(s.user)
        return connection.execute(closed).first() is not None


def try_once(database: Database, limits: Mapping[str, int]) -> timedelta | None:
    """Count one try of each key before the password is looked at; return how long to wait, if it may not be made.

    Counted before and taken back after (`forget`), so that tries at the same moment cannot slip through together.

    Args:
        database: the ledger.
        limits: key (a name, an address, both) to how many failures it may have before it has to wait.
    """
    now, c = database.clock.now(), t.throttles.c
    keys = {_hash(key): limit for key, limit in limits.items()}
    fresh = [{"key": key, "failures": 0, "last_at": now, "blocked_until": None} for key in sorted(keys)]
    with database.write() as connection:
        connection.execute(sa.delete(t.throttles).where(c.last_at < now - MEMORY - _LONGEST_WAIT))
        insert_new(connection, t.throttles, fresh, c.key)
        query = sa.select(t.throttles).where(c.key.in_(keys)).order_by(c.key).with_for_update()
        rows = connection.execute(query).all()
        waits: list[timedelta] = [
            row.blocked_until - now for row in rows if row.blocked_until and row.blocked_until > now
        ]
        if waits:
            return max(waits)
        for row in rows:
            failures = (row.failures if now - row.last_at <= MEMORY + _LONGEST_WAIT else 0) + 1
            over = failures - keys[row.key]
            wait = min(_FIRST_WAIT * 2 ** min(over, 10), _LONGEST_WAIT) if over >= 0 else None
            values = {"failures": failures, "last_at": now, "blocked_until": now + wait if wait else None}
            connection.execute(sa.update(t.throttles).where(c.key == row.key).values(**values))
    return None


def forget(database: Database, keys: Iterable[str]) -> None:
    """Forget the failures of keys: the password was right."""
    hashed = [_hash(key) for key in keys]
    with database.write() as connection:
        connection.execute(sa.delete(t.throttles).where(t.throttles.c.key.in_(hashed)))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
