"""The watcher: reads what is new of each workflow, names the cause of a drift, opens one incident and closes it."""

from __future__ import annotations

from loguru import logger

from engine.ledger import drift_facts as facts
from engine.ledger.database import Database
from engine.ledger.incidents import close_incidents, incidents, open_incident
from engine.ledger.model_rule import FileOf, roll_back_if_told
from engine.ledger.runs import newest_definitions
from qc_models.loop.drift.cause import Named, name
from qc_models.loop.drift.state import State

Opened = dict[str, str]
"""Cause and key of an incident."""


def watch_drift(database: Database, verified: FileOf) -> None:
    """Look at every workflow that ran; cheap where nothing is new. Any process may call it, as often as it likes.

    `verified` is asked for the file of a version before a model goes back to it.
    """
    for workflow in newest_definitions(database):
        look(database, workflow, verified)


def look(database: Database, workflow: str, verified: FileOf) -> Named | None:
    """Take note of what is new of a workflow and return the cause of a drift; None while there is none.

    An incident that a person closed is taken as word that the present is usual from now on: the reference starts over.
    """
    stored = facts.remembered(database, workflow)
    state = State() if stored is None else State.from_dict(stored)
    if state.open is not None and not _stands(database, workflow, state.open):
        state = state.again()
    if not _read(database, workflow, state):
        return name(state)
    named = name(state)
    before, state.looks = state.open, state.looks + 1
    cause = named.cause if named else None
    if cause != (before["cause"] if before else None):
        state.open = {"cause": cause, "key": str(state.looks)} if cause else None
    kept = _keep(database, workflow, state, None if stored is None else stored["looks"], named, before)
    if kept and named and named.cause == "model" and state.signs["audit"].on and state.blamed:
        roll_back_if_told(database, *state.blamed, f"{workflow}: {named.sentence}", verified)
    return named


def _keep(
    database: Database, workflow: str, state: State, looks: int | None, named: Named | None, before: Opened | None
) -> bool:
    """Keep what the look left, close the incident that is over and open the one that is new; False if too late."""
    with database.write() as connection:
        if not facts.remember(connection, database, workflow, state.to_dict(), looks):
            return False
        if state.open == before:
            return True
        if before:
            close_incidents(connection, database, f"drift.{before['cause']}", workflow, before["key"])
        if state.open and named:
            kind, message = f"drift.{named.cause}", f"{workflow}: {named.sentence}"
            open_incident(
                connection, database, kind, workflow, state.open["key"], message, evidence=list(named.evidence)
            )
            logger.bind(event="drift", workflow=workflow, cause=named.cause).warning("{}", message)
    return True


def _read(database: Database, workflow: str, state: State) -> bool:
    """Take note of up to a page of each kind of what is new; False if there was nothing."""
    limit = state.limit
    records = facts.entered(database, workflow, (state.run, state.draw))
    for record in records:
        state.enter(record, limit)
    over = len(records) < facts.PAGE and 0 <= state.draw < 1
    if over:
        state.draw = 1.0  # behind all of the run, which grows no more: it need not be looked through again
    waited = list(state.waiting)
    attempts, state.waiting, state.attempt = facts.worked(database, workflow, state.attempt, waited)
    for attempt in attempts:
        state.work(attempt, limit)
    audits = facts.audited(database, workflow, state.review)
    for one in audits:
        state.audit(one.review_id, one.wrong, limit, one.model)
    return bool(records or over or attempts or audits or state.waiting != waited)


def _stands(database: Database, workflow: str, opened: Opened) -> bool:
    kind = f"drift.{opened['cause']}"
    found = incidents(database, kind=kind, limit=None)
    return any((one.subject, one.key) == (workflow, opened["key"]) for one in found)
