"""Match a partition of a bank statement with the open items that were downloaded before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from bots.bot import Bot
from bots.reconciliation.definition import GateFile, PolicyFile, SideFile
from bots.reconciliation.gate import closing_under, own_evidence
from bots.reconciliation.lines import Found, Line
from bots.reconciliation.partitions import BookItem, Partition, accounts, major, partition, statement_as_enqueued
from bots.reconciliation.readers.registry import READERS, sniff
from bots.reconciliation.readers.text import NoBookings, Unreadable
from bots.reconciliation.tie import tie_out
from engine.definition import Frozen
from engine.errors import BusinessException, UserError
from engine.values import Scalar
from engine.yaml_source import suggest

if TYPE_CHECKING:
    from bots.reconciliation.clearing import Outcome


class Reviewed(Frozen):
    """What people found in a sample of the matches of one kind."""

    reviewed: int = Field(ge=0, description="Matches that were judged.")
    wrong: int = Field(0, ge=0, description="Those of them that were wrong.")


class Reconcile(Frozen):
    """Where the two sides are; the record's partition is that of a `source.statement`."""

    shorthand: ClassVar[str | None] = "items"

    items: str = Field(description="Name of the downloaded open items: the `to` of a `download`.")
    cleared: str | None = Field(None, description="The same of items that were cleared before; matched, never marked.")
    name: str = Field("Item", description="Column that holds the application's own number of an item.")
    book: SideFile = Field(SideFile(), description="How downloads are read: columns, decimal, date_order, money_in.")
    policy: PolicyFile = Field(PolicyFile(), description="What counts as a possible match.")
    gate: GateFile = Field(GateFile(), description="What may close without a person.")
    evidence: dict[str, Reviewed] = Field(
        default_factory=dict, description="What reviews of your own found of a kind of evidence: reviewed, wrong."
    )
    reviews: str | None = Field(
        None, description="Name of a rolling reconciliation whose reviews count too: `reconciliation` keeps them."
    )
    to: str = Field("clearings", pattern=r"^[\w-]+$", description="Name of the rows in the record, one an open item.")

    @model_validator(mode="after")
    def _known_kinds(self) -> Self:
        from bots.reconciliation.kinds import KINDS  # noqa: PLC0415 - its module loads the matcher's

        for kind in (*self.gate.suggest_only, *self.evidence):
            if kind not in KINDS:
                close = suggest(kind, KINDS)
                raise ValueError(f'unknown kind of evidence "{kind}"' + (f', did you mean "{close}"?' if close else ""))
        return self

    @field_validator("policy")
    @classmethod
    def _one_currency(cls, policy: PolicyFile) -> PolicyFile:
        if policy.rates is not None:
            raise ValueError("rates: a partition has one currency, and needs none")
        return policy

    def closing(self, reviewed: Mapping[str, tuple[int, int]]) -> frozenset[str]:
        """Return the kinds that may close on their own; `reviewed` is what the ledger knows of `reviews`."""
        said = {kind: (found.reviewed, found.wrong) for kind, found in self.evidence.items()}
        return closing_under(self.gate, [*own_evidence(said), *own_evidence(reviewed)])


async def reconcile(bot: Bot, params: Reconcile) -> None:
    """Match the record's bank lines with downloaded open items: what to mark, suggestions and breaks, as rows."""
    item = {name: str(bot.scope.item.get(name) or "") for name in ("account", "currency", "period")}
    own = partition(**item)
    outcome = await asyncio.to_thread(_matched, bot, params, own)
    bot.record[params.to] = list(outcome.rows)
    counted: list[dict[str, Scalar]] = [
        {"state": state or "closed", "lines": lines} for state, lines in sorted(outcome.states.items())
    ]
    bot.record[f"{params.to}-states"] = counted


def _matched(bot: Bot, params: Reconcile, own: Partition) -> Outcome:
    from bots.reconciliation.clearing import clearings  # noqa: PLC0415 - pandas and scipy cost a second

    bank = _bank(bot, own)
    book = _book(_downloaded(bot, params.items), params, own)
    before = _book(_downloaded(bot, params.cleared), params, own) if params.cleared else []
    items = {item.name: item for item in book} | {item.name: replace(item, is_open=False) for item in before}
    sign = -1 if params.book.spec().negate else 1
    policy, judge = params.policy.policy({}), bot.judge
    try:
        seen = judge() if judge else None
        reviewed = bot.reviewed(params.reviews) if params.reviews and bot.reviewed else {}
        closing = params.closing(reviewed)
        return clearings(own, bank, list(items.values()), policy, closing, judge=seen, sign=sign)
    except UserError as error:  # a calendar or a model that is not there: nothing that another attempt would mend
        raise BusinessException("not_matched", str(error)) from None


def _bank(bot: Bot, own: Partition) -> list[Line]:
    """Return the account's lines of the file; the partition's own are as many and as much as when it was enqueued."""
    record = bot.scope.item
    delivery = statement_as_enqueued(str(record.get("statement") or ""), str(record.get("sha256") or ""))
    lines = [line for account, line in accounts(delivery) if (account, line.currency) == (own.account, own.currency)]
    mine = [line.amount for line in lines if own.holds(line.booked)]
    if (len(mine), major(sum(mine), own.currency)) != (record.get("lines"), record.get("total")):
        raise BusinessException("tie_out", f"{len(mine)} lines of {sum(mine)} are not what this record was made of")
    return lines


def _downloaded(bot: Bot, name: str) -> Path:
    kept = bot.record.get(name)
    if not isinstance(kept, list) or not kept:
        raise BusinessException("not_downloaded", f"nothing was downloaded as {name!r} before")
    return bot.folder / str(kept[0]["file"])


def _book(path: Path, params: Reconcile, own: Partition) -> list[BookItem]:
    """Read items; a table without any is none, and one of which a line cannot be read is refused whole."""
    spec = params.book.spec(currency=own.currency)
    told = {"account": own.account, "columns": {**spec.columns, "bank_id": params.name}}
    data, found = path.read_bytes(), Found()
    try:
        READERS[params.book.format or sniff(data)](data, found, spec.model_copy(update=told))
    except NoBookings:
        return []
    except Unreadable as error:
        raise BusinessException("items_unreadable", f"{path.name}: {error}") from None
    statements, _ = tie_out(found)
    if found.quarantined:
        first = found.quarantined[0]
        raise BusinessException(
            "items_unreadable", f"{path.name}:{first.number}: {first.problem} ({len(found.quarantined)} problems)"
        )
    lines = [line for one in statements if one.currency == own.currency for line in one.lines]
    return [BookItem(line.bank_id, replace(line, bank_id="")) for line in lines]
