"""Waiting for a database that is away: a restart or a deadlock is no reason for a worker to end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from loguru import logger
from sqlalchemy.exc import DBAPIError

_FIRST, _LONGEST = 0.1, 2.0
"""Seconds before the second question, and between later ones."""
_PASSING = ("08", "25P03", "40", "53", "57P", "55P03")
"""SQLSTATEs that pass: connection, idle too long, rollback, resources, shutdown, lock (PostgreSQL, appendix A)."""

P = ParamSpec("P")
T = TypeVar("T")


def passes(error: DBAPIError) -> bool:
    """Say whether the same question may well be answered later: the server is away, or somebody else was first."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_PASSING)
    text = str(error.orig)
    return "connect" in text or "locked" in text or "busy" in text


async def patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a call of the ledger off the event loop, and again while the database is away.

    The call may have been carried out although its answer was lost; only what may safely happen twice belongs here.

    Raises:
        sqlalchemy.exc.DBAPIError: what will not pass by waiting.
    """
    wait = _FIRST
    while True:
        try:
            return await asyncio.to_thread(call, *args, **kwargs)
        except DBAPIError as error:
            if not passes(error):
                raise
            if wait == _FIRST:
                logger.bind(event="database.away").warning("the ledger does not answer, asking again: {}", error.orig)
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST)
