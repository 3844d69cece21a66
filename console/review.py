"""`review`: what waits for a person, and what a person decides about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import typer

from console.corrections import parse_changes
from console.desk import NEEDS_PERSON, As, AsJson, Desk, Later, Limit, OpenDesk, as_data, plain, print_json
from console.items import ItemId, ItemIds, Name, RunId, exit_for, outcome_of
from console.review_view import waiting_view
from console.tables import outcome_table, queue_table
from engine.errors import UserError
from engine.ledger import reads, review_queue, reviews

Reason = Annotated[str | None, typer.Option("--reason", help="Why, in words; it is kept.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in words; it is kept.")]
Changes = Annotated[
    list[str], typer.Argument(metavar="FIELD=VALUE…", help="total=119.00, or lines[2].amount=12.50 for a cell.")
]


def build_review(desk: OpenDesk) -> typer.Typer:
    """Build the `review` verbs for whoever sits at the desk."""
    app = typer.Typer(name="review", help="Decide what the bots and models left in doubt.", no_args_is_help=True)

    @app.command("list")
    def list_waiting(
        run: RunId = None,
        workflow: Name = None,
        limit: Limit = reads.LIMIT,
        who: As = None,
        as_json: AsJson = False,
    ) -> None:
        """List what waits for you, longest wait first; the audit sample is among it."""
        here = desk()
        viewer = who or here.user
        waiting = review_queue.review_queue(here.database, viewer=viewer, run_id=run, workflow=workflow, limit=limit)
        if as_json:
            print_json({"waiting": [as_data(row) | {"suspicious": row.suspicious} for row in waiting]})
            return
        if waiting:
            here.console.print(queue_table(waiting, here.database.clock.now()))
        here.console.print(
            f"{len(waiting)} item(s) wait" + (", perhaps more: --limit" if len(waiting) == limit else "")
        )

    @app.command()
    def show(item_id: ItemId, who: As = None, as_json: AsJson = False) -> None:
        """Show one item that waits: what was meant beside what the application shows, and why it is in doubt."""
        here = desk()
        found = review_queue.waiting(here.database, item_id, who or here.user)
        if as_json:
            print_json(found)
        else:
            here.console.print(waiting_view(found, here.workflow(found.row.definition_hash).fields))

    @app.command()
    def accept(ids: ItemIds, reason: Reason = None, who: As = None, as_json: AsJson = False) -> None:
        """Say that the record is right as it stands in the application."""
        here = desk()
        _decide_all(here, ids, "accept", who or here.user, reason, as_json=as_json)

    @app.command()
    def reject(ids: ItemIds, reason: Why, who: As = None, as_json: AsJson = False) -> None:
        """Say that the record is wrong and stays so; somebody else takes care of it."""
        here = desk()
        _decide_all(here, ids, "reject", who or here.user, reason, as_json=as_json)

    @app.command()
    def correct(
        item_id: ItemId,
        changes: Changes,
        reason: Reason = None,
        who: As = None,
        later: Later = False,
        as_json: AsJson = False,
    ) -> None:
        """Give the right values; the bot mends the record in the application and proves it."""
        here = desk()
        detail = reads.item(here.database, item_id)
        workflow = here.workflow(detail.definition_hash)
        typed = parse_changes(changes, detail.payload, workflow.fields)
        seen = detail.attempts[-1].id if detail.attempts else None
        user = who or here.user
        done = reviews.correct(here.database, item_id, typed, user, workflow=workflow, reason=reason, seen_attempt=seen)
        _mend(here, done, later=later, as_json=as_json)

    return app


def _mend(here: Desk, done: reviews.Reviewed, *, later: bool, as_json: bool) -> None:
    if done.correction_run_id is not None and not later:
        here.work([done.correction_run_id])
    ids = [done.item_id] + ([done.correction_item_id] if done.correction_item_id is not None else [])
    found = outcome_of(here, ids)
    if done.correction_run_id is None:
        found = [replace(found[0], state=done.state)]
    if as_json:
        print_json({"reviewed": done, "items": found, "worked": not later})
    else:
        here.console.print(outcome_table(found))
        if done.correction_run_id is None:
            here.console.print(plain(f"your values for item {done.item_id} are kept; nothing is changed by them"))
            return
        if not later and found[0].state == "corrected":
            here.console.print(plain(f"the bot mended the record of item {done.item_id} and read it back", "green"))
        elif later:
            here.console.print(plain(f"correction item {done.correction_item_id} waits for a worker"))
    exit_for(found)


def _decide_all(
    here: Desk,
    ids: list[int],
    decision: Literal["accept", "reject"],
    user: str,
    reason: str | None,
    *,
    as_json: bool,
) -> None:
    """Decide one item after the other; one that is refused does not stop the others."""
    done: list[reviews.Reviewed] = []
    refused: list[str] = []
    for item_id in dict.fromkeys(ids):
        try:
            done.append(_decide(here, item_id, decision, user, reason))
        except UserError as error:
            refused.append(str(error))
    if as_json:
        print_json({"reviewed": done, "refused": refused})
    else:
        _tell(here, done)
    if refused:
        raise UserError("\n".join(refused))
    if any(reviewed.needs_second for reviewed in done):
        raise typer.Exit(NEEDS_PERSON)


def _decide(
    here: Desk, item_id: int, decision: Literal["accept", "reject"], user: str, reason: str | None
) -> reviews.Reviewed:
    detail = reads.item(here.database, item_id)
    workflow = here.workflow(detail.definition_hash)
    seen = detail.attempts[-1].id if detail.attempts else None
    return reviews.decide(here.database, item_id, decision, user, workflow=workflow, reason=reason, seen_attempt=seen)


def _tell(here: Desk, done: list[reviews.Reviewed]) -> None:
    if done:
        states = {reviewed.item_id: reviewed.state for reviewed in done}
        found = outcome_of(here, list(states))
        here.console.print(outcome_table([replace(item, state=states[item.id]) for item in found]))
    for reviewed in done:
        if reviewed.needs_second:
            here.console.print(f"item {reviewed.item_id} is over the four-eyes limit: a second person has to accept it")
        if reviewed.following_run_id is not None:
            run = reviewed.following_run_id
            here.console.print(f"item {reviewed.item_id} handed on its rows: run {run}, which waits for a worker")
