"""The definition of a reconciliation: both sides, which account is which, what may match, and what a person decides.

Everything has a default: a first reconciliation needs no definition. All problems of a file are told in one pass as
`file:line:col: message [rule]`, as those of workflows are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from bots.reconciliation.money_text import Money, MoneyText
from bots.reconciliation.policy import Policy
from bots.reconciliation.readers.cells import DateOrder
from bots.reconciliation.readers.tables import TableSpec
from bots.reconciliation.rule_file import RuleFile
from engine.definition import Duration, Frozen

TABLES = ("csv", "workbook", "bot")
"""Formats whose columns can be declared."""


class SideFile(Frozen):
    """How the files of one side are read, where they do not tell it themselves."""

    format: str | None = Field(
        None, description="camt, mt940, ofx, bai2, csv, workbook or bot; default: told by the file."
    )
    columns: dict[str, str] = Field(default_factory=dict, description="What a column holds, to its heading.")
    decimal: Literal[".", ","] | None = Field(None, description="Decimal sign; default: told by the column.")
    date_order: DateOrder | None = Field(None, description="Order of day, month, year; default: told by the column.")
    currency: str | None = Field(None, pattern="^[A-Z]{3}$", description="Currency of a table without such a column.")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="Default: told by the file.")
    encoding: str | None = Field(None, description="Of a text file; default: told by its bytes.")
    sheet: str | None = Field(None, description="Sheet of a workbook; default: the first with headings.")
    account: str = Field("", description="Account of a table without such a column.")
    money_in: Literal["positive", "negative", "debit", "credit"] | None = Field(
        None, description="How money that came in is written; default: told by what both sides share."
    )

    def spec(self, *, currency: str | None = None, turned: bool = False) -> TableSpec:
        """Return what the reader of tables is told; `currency` counts where nothing in the table tells one."""
        told = self.model_dump(exclude={"format", "money_in"})
        negate = turned if self.money_in is None else self.money_in in {"negative", "debit"}
        return TableSpec(**told | {"otherwise": currency, "negate": negate})


class Window(Frozen):
    """Business days from the books' day to the bank's."""

    earliest: int = Field(Policy.earliest, ge=-260, le=260, description="At least; negative: the bank was first.")
    latest: int = Field(Policy.latest, ge=-260, le=260, description="At most.")


class Fee(Frozen):
    """Most that a bank keeps of an amount."""

    share: Decimal = Field(Policy.fee_share, ge=0, lt=1, description="As a share of the amount: 0.04 is four per cent.")
    fixed: MoneyText = Field(
        Money(Policy.fee_fixed, "EUR"),
        description="On top of the share, like 10.00 EUR; in other currencies as many minor units.",
    )


class Groups(Frozen):
    """Within what bounds several lines are matched as one."""

    lines: int = Field(Policy.group, ge=2, le=100, description="Most lines on the larger side of a 1-N match.")
    net: int = Field(Policy.net, ge=1, le=8, description="Most lines on either side of an N-M match.")
    candidates: int = Field(Policy.subset, ge=2, le=40, description="Most candidates among which a sum is looked for.")


class PolicyFile(Frozen):
    """What counts as a possible match."""

    window: Window = Field(Window(), description="Days between the two sides.")
    calendar: str | None = Field(None, description="Country whose holidays are no business days; default: Mon to Fri.")
    fee: Fee = Field(Fee(), description="What a bank may keep.")
    groups: Groups = Field(Groups(), description="Bounds of matches of several lines.")
    reversal: int = Field(Policy.reversal, ge=0, le=260, description="Business days between booking and reversal.")
    rates: str | None = Field(None, description="CSV file with from, to, day, rate; relative to this file.")
    rate_tolerance: Decimal = Field(
        Policy.rate_tolerance, ge=0, lt=1, description="How far a match's rate may be off the table's, as a share."
    )

    def policy(self, rates: Mapping[Any, Decimal]) -> Policy:
        """Return the limits as the matcher wants them."""
        return Policy(
            earliest=self.window.earliest,
            latest=self.window.latest,
            calendar=self.calendar,
            fee_share=self.fee.share,
            fee_fixed=self.fee.fixed.amount,
            group=self.groups.lines,
            net=self.groups.net,
            subset=self.groups.candidates,
            reversal=self.reversal,
            rates=rates,
            rate_tolerance=self.rate_tolerance,
        )


class GateFile(Frozen):
    """What may close without a person."""

    limit: Decimal = Field(Decimal("0.0001"), gt=0, lt=1, description="Most wrong matches among those that close.")
    confidence: Decimal = Field(Decimal("0.95"), gt=Decimal("0.5"), lt=1, description="With which this must be proven.")
    suggest_only: tuple[str, ...] = Field((), description="Kinds of evidence that never close on their own.")


class ReviewFile(Frozen):
    """What people decide."""

    four_eyes_over: tuple[MoneyText, ...] = Field(
        (), description="Over this amount two people decide, one amount a currency: [10000 EUR]."
    )


class ReconciliationFile(Frozen):
    """One reconciliation, as its file says it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="Small letters, digits and hyphens.")
    description: str = Field("", description="One sentence.")
    owner: str = Field("", description="Who answers for it.")
    bank: SideFile = Field(SideFile(), description="How the bank's files are read.")
    book: SideFile = Field(SideFile(), description="How the books' files are read.")
    accounts: dict[str, str] = Field(default_factory=dict, description="Account of the bank: account of the books.")
    policy: PolicyFile = Field(PolicyFile(), description="What counts as a possible match.")
    gate: GateFile = Field(GateFile(), description="What may close without a person.")
    review: ReviewFile = Field(ReviewFile(), description="What people decide.")
    keep: Duration | None = Field(
        None, description="How long closed lines keep their words in rolling open items; default: for ever."
    )
    rules: tuple[RuleFile, ...] = Field((), description="What was learned from reviews, and a person accepted.")


@dataclass(frozen=True)
class Definition:
    """A definition, checked, with its rate table."""

    file: ReconciliationFile
    text: str = ""
    """As it was read; empty for the defaults."""
    path: str = ""
    rates: Mapping[Any, Decimal] = field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        """What counts as a possible match."""
        rules = tuple(one.rule for one in self.file.rules)
        return replace(self.file.policy.policy(self.rates), rules=rules)

    @property
    def sha256(self) -> str:
        """Hash of the definition's text; empty for the defaults."""
        return hashlib.sha256(self.text.encode()).hexdigest() if self.text else ""

    def four_eyes_over(self, currency: str) -> int | None:
        """Return the amount over which two people decide, minor units; None if one is always enough."""
        limits = [one.amount for one in self.file.review.four_eyes_over if one.currency == currency]
        return limits[0] if limits else None


DEFAULT = Definition(ReconciliationFile(name="first-reconciliation"))
"""What holds where nothing is declared."""
