"""A proof for people: one HTML file that shows what the JSON file proves; no script, no request to anywhere.

It is made from the JSON file alone, so that it cannot say anything else, and it names the file's hash and head.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bots.reconciliation.money import NoAmount, exponent
from bots.reconciliation.proof import Proof
from bots.reconciliation.proof_log import entries
from bots.reconciliation.wording import bound
from engine.errors import UserError
from engine.redact import replacing

SHOWN: Final = 1_000
"""Entries of a kind that the page lists; the JSON file has them all."""


@dataclass
class _Page:
    head: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)
    listed: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    count: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, kind: str, entry: dict[str, Any]) -> None:
        """Count an entry, and keep the first ones of its kind."""
        self.count[kind] += 1
        if self.count[kind] <= SHOWN or kind == "account":
            self.listed[kind].append(entry)


def write_page(proof: Proof, path: Path) -> Path:
    """Write the page of a proof beside it, or wherever `path` says.

    Raises:
        UserError: the file cannot be written, or the proof cannot be read.
    """
    try:
        page = _page(entries(proof.path))
        sums = [_Sums(one) for one in page.listed["account"]]
        html = _environment().get_template("proof.html")
        stream = html.stream(page=page, proof=proof, sums=sums, digest=_digest(proof.path), shown=SHOWN)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as target:
            for part in stream:
                target.write(part.encode("utf-8", "xmlcharrefreplace"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be written ({error})") from error
    return path


def _page(log: Iterable[dict[str, Any]]) -> _Page:
    page = _Page()
    for entry in log:
        kind = entry["entry"]
        if kind == "head":
            page.head = entry
        elif kind == "end":
            page.end = entry
        elif kind == "match":
            difference = (
                not entry["closed"] or entry["difference"] or len({one["currency"] for one in entry["lines"]}) > 1
            )
            page.take("suggested" if not entry["closed"] else "left" if difference else "closed", entry)
        else:
            page.take(kind, entry)
    return page


@dataclass(frozen=True)
class _Sums:
    """One account as a sum that a person can add up: the bank's balance, what is listed, the books' balance."""

    account: dict[str, Any]

    def rows(self) -> list[tuple[str, int]]:
        """Return the lines of the sum, each as it is added, from the bank's balance (or lines) to the books'."""
        bank, book = self.account["bank"], self.account["book"]
        rest = [("brought forward without an item", -self.account["unexplained"])] if self._known else []
        what = "Closing balance of" if self._known else "All lines of"
        first, last = (one["closing"] if self._known else one["movement"] + one["forward"] for one in (bank, book))
        return [
            (f"{what} the bank", first),
            ("open on the bank's side, taken off", -bank["open"]),
            ("suggested on the bank's side, taken off", -bank["suggested"]),
            ("open in the books", book["open"]),
            ("suggested in the books", book["suggested"]),
            ("what closed matches leave (fees, exchange)", book["closed"] - bank["closed"]),
            *rest,
            (f"{what} the books", last),
        ]

    @property
    def _known(self) -> bool:
        return self.account["unexplained"] is not None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _money(amount: int | None, currency: str) -> str:
    if amount is None:
        return "not stated"
    try:
        decimals = exponent(currency)
    except NoAmount:
        return str(amount)
    return f"{Decimal(amount).scaleb(-decimals):,.{decimals}f}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["money"] = _money
    environment.filters["signed"] = lambda amount, currency: f"{'+' if amount > 0 else ''}{_money(amount, currency)}"
    environment.filters["bound"] = lambda text: bound(float(text))
    return environment
