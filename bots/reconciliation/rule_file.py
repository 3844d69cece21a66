"""Learned rules as a definition holds them: readable, with what was proven, who accepted them and when."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

from pydantic import Field

from bots.reconciliation.money_text import Money, MoneyText
from bots.reconciliation.rules import Alias, Form, Late, PartyFee, Rule, Word
from engine.definition import Frozen

_TEXT: Any = {"min_length": 1, "max_length": 200}


class AliasFile(Frozen):
    """The bank writes one name, the books another."""

    bank: str = Field(description="Name that the bank writes.", **_TEXT)
    book: str = Field(description="Name of the books.", **_TEXT)


class WordFile(Frozen):
    """A word in the bank's text names a party of the books."""

    word: str = Field(description="A whole word of the bank's text, whatever its case.", **_TEXT)
    book: str = Field(description="Name of the books.", **_TEXT)


class PartyFeeFile(Frozen):
    """What is kept of each payment of a party."""

    party: str = Field(description="Name of the books.", **_TEXT)
    share: Decimal = Field(Decimal(0), ge=0, lt=1, description="Of the books' amount: 0.015 is 1.5 per cent.")
    fixed: MoneyText = Field(description="On top of the share, like 0.30 EUR; the rule holds for this currency.")


class LateFile(Frozen):
    """A party's payments reach the bank after the window of the policy."""

    party: str = Field(description="Name of the books.", **_TEXT)
    latest: int = Field(ge=1, le=260, description="Business days from the books' day to the bank's, at most.")


class FormFile(Frozen):
    """Both sides write one number with different signs before it; leading zeros do not count."""

    bank: str = Field("", max_length=20, description="What the bank writes before the number.")
    book: str = Field("", max_length=20, description="What the books write before it.")


class RuleFile(Frozen):
    """One rule: exactly one of alias, word, fee, late and form, and what is known of it."""

    alias: AliasFile | None = None
    word: WordFile | None = None
    fee: PartyFeeFile | None = None
    late: LateFile | None = None
    form: FormFile | None = None
    right: int = Field(ge=0, description="Reviewed decisions, had no part in suggesting it, with which it agreed.")
    wrong: int = Field(ge=0, description="The same, with which it did not.")
    bound: float = Field(gt=0, lt=1, description="Exact upper bound of the share of wrong ones, from these (95 %).")
    by: str = Field(description="Who accepted it.", **_TEXT)
    at: str = Field(description="When.", pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(Z|[+-]\d{2}:\d{2})$")

    @property
    def said(self) -> list[str]:
        """Names of the rules that it holds; one, if it is a rule."""
        return [name for name in SHAPES if getattr(self, name) is not None]

    @property
    def rule(self) -> Rule:
        """The rule as the matcher wants it."""
        (name,) = self.said
        return _rule(getattr(self, name), self.bound)


SHAPES = {"alias": Alias, "word": Word, "fee": PartyFee, "late": Late, "form": Form}
"""What a rule is called in a definition."""


def _rule(told: Any, bound: float) -> Rule:
    values = {name: getattr(told, name) for name in type(told).model_fields}
    match told:
        case AliasFile():
            return Alias(**values, bound=bound)
        case WordFile():
            return Word(**values, bound=bound)
        case LateFile():
            return Late(**values, bound=bound)
        case FormFile():
            return Form(**values, bound=bound)
    fixed: Money = told.fixed
    return PartyFee(told.party, told.share, fixed.amount, fixed.currency, bound)


def shape(rule: Rule) -> tuple[str, dict[str, Any]]:
    """Return what a rule is called in a definition, and what it says there, as plain data; not its bound."""
    if isinstance(rule, PartyFee):
        fixed = PartyFeeFile(party=rule.party, share=rule.share, fixed=Money(rule.fixed, rule.currency))
        share = format(rule.share.normalize(), "f")
        return "fee", {"party": rule.party, "share": share, "fixed": fixed.model_dump()["fixed"]}
    name = next(name for name, kind in SHAPES.items() if isinstance(rule, kind))
    return name, {key: value for key, value in vars(rule).items() if key != "bound"}


def name_of(rule: Rule) -> str:
    """Return the short name of a rule: equal for rules that say the same, whatever is known of them."""
    text = json.dumps(shape(rule), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def yaml_of(rule: Rule, right: int, wrong: int, by: str = "", at: str = "") -> str:
    """Return the item of `rules:` that a definition gets; without who and when, what a proposal shows."""
    kind, said = shape(rule)
    told = [f"{kind}: {_flow(said)}", f"right: {right}", f"wrong: {wrong}", f"bound: {rule.bound:.6f}"]
    told += [f"by: {_scalar(by)}", f"at: {_scalar(at)}"] if by else []
    return "\n".join(f"{'  - ' if not at_ else '    '}{line}" for at_, line in enumerate(told)) + "\n"


def _flow(said: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in said.items()) + "}"


def _scalar(value: object) -> str:
    """Write a value; texts in double quotes, as JSON and therefore YAML 1.2 has them."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
