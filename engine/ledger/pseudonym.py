"""What stands for a reference that was erased: a salted hash, so that it is still known when it comes again.

The salt lies in `meta`. Whoever has the ledger can test whether a given reference was erased, and nobody can read it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine.ledger import tables as t

_KEY = "erasure"
_CHUNK = 500
MARK = "erased:"


def salt(connection: Connection) -> bytes | None:
    """Return the ledger's salt; None if nothing was erased yet."""
    value = connection.execute(sa.select(t.meta.c.value).where(t.meta.c.key == _KEY)).scalar_one_or_none()
    return None if value is None else bytes.fromhex(value["salt"])


def salt_or_new(connection: Connection, now: datetime) -> bytes:
    """Return the ledger's salt, drawn at the first erasure."""
    known = salt(connection)
    if known is not None:
        return known
    drawn = secrets.token_bytes(32)
    connection.execute(sa.insert(t.meta).values(key=_KEY, value={"salt": drawn.hex()}, changed_at=now))
    return drawn


def pseudonym(salt_: bytes, workflow: str, reference: str) -> str:
    """Return what stands for a reference."""
    digest = hmac.new(salt_, f"{workflow}\0{reference}".encode("utf-8", "backslashreplace"), hashlib.sha256)
    return MARK + digest.hexdigest()[:40]


def erased_among(connection: Connection, workflow: str, references: Iterable[str]) -> dict[str, str]:
    """Return those of the references that were erased, with what stands for them; one query where nothing ever was."""
    any_erased = sa.select(t.items.c.id).where(t.items.c.workflow == workflow, t.items.c.erased_at.is_not(None))
    known_salt = salt(connection) if connection.execute(any_erased.limit(1)).first() else None
    if known_salt is None:
        return {}
    standing = {pseudonym(known_salt, workflow, reference): reference for reference in references}
    found: dict[str, str] = {}
    names = list(standing)
    for start in range(0, len(names), _CHUNK):
        query = sa.select(t.items.c.reference).where(
            t.items.c.workflow == workflow, t.items.c.reference.in_(names[start : start + _CHUNK])
        )
        found.update({standing[name]: name for name in connection.execute(query).scalars()})
    return found
