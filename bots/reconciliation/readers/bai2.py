"""BAI2, cash management of US banks (BAI, "Cash Management Balance Reporting Specifications", version 2).

Records 01 file, 02 group, 03 account, 16 transaction, 88 continuation, 49/98/99 trailers. The account trailer's control
total is checked; some banks write several records on one physical line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from bots.reconciliation.lines import Found, Line, Statement
from bots.reconciliation.money import NoAmount, exponent
from bots.reconciliation.readers.text import Unreadable, decoded, lines_of

_KINDS = frozenset({"01", "02", "03", "16", "88", "49", "98", "99"})
_OPENING, _CLOSING = "010", "015"
_FUNDS = {"S": 3, "V": 2, "D": None}
_RECORD = re.compile(r"\s*\w{0,3},")
"""How a record begins whose code is damaged."""
_BOOKING = re.compile(r"\s*\w{0,3},\d{3},\d+,[SVDZ012]?,")
"""How a transaction does."""


@dataclass
class _Record:
    kind: str
    fields: list[str]
    number: int
    texts: list[str] = field(default_factory=list)
    records: int = 1
    """Records that it takes: itself and its continuations."""


@dataclass
class _Account:
    head: _Record
    currency: str
    day: date
    entries: list[_Record] = field(default_factory=list)


def read_bai2(data: bytes, found: Found) -> None:
    """Read every account of a file.

    Raises:
        Unreadable: it does not begin with an 01 record.
    """
    records = list(_records(decoded(data, said=found.said), found))
    if not records or records[0].kind != "01":
        raise Unreadable("it does not begin with an 01 record")
    walk = _Walk(found)
    for record in records:
        walk.take(record)
    walk.end_account()


class _Walk:
    """Where a file is being read: its group, its account."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.currency = "USD"
        self.day: date | None = None
        self.account: _Account | None = None
        self.accounts = self.groups = 0
        self.sums: dict[str, int | None] = {"98": 0, "99": 0}
        """What the trailers of a group and of the file must state; None where one of theirs cannot be read."""

    def take(self, record: _Record) -> None:
        """Take the next record."""
        if record.kind == "02":
            self._group(record)
        elif record.kind == "03":
            self._begin_account(record)
        elif record.kind == "16":
            self._entry(record)
        elif record.kind == "49" and self.account is not None:
            _account(self.account, record, self.found)
            self.account = None
            self._add("98", _at(record, 1))
        elif record.kind == "98":
            self._check(record, "the group", "accounts", self.accounts)
            self._add("99", _at(record, 1))
        elif record.kind == "99":
            self._check(record, "the file", "groups", self.groups)

    def _check(self, record: _Record, whose: str, what: str, counted: int) -> None:
        """Hold a trailer against what it closes."""
        total, stated = _at(record, 1), _at(record, 2)
        if stated.isdecimal() and int(stated) != counted:
            self.found.refuse(record.number, f"{record.kind} number of {what}", stated, f"{whose} has {counted}", 0)
        summed = self.sums[record.kind]
        if summed is not None and total.lstrip("+-").isdecimal() and int(total) != summed:
            said = f"the totals of {whose}'s {what} add up to {summed}"
            self.found.refuse(record.number, f"{record.kind} control total", total, said, 0)

    def _add(self, kind: str, total: str) -> None:
        known = self.sums[kind]
        self.sums[kind] = known + int(total) if known is not None and total.lstrip("+-").isdecimal() else None

    def end_account(self) -> None:
        """Refuse an account that has no trailer."""
        if self.account is not None:
            head = self.account.head
            self.found.refuse(head.number, "03", _at(head, 1), "it has no 49 trailer", len(self.account.entries))
        self.account = None

    def _group(self, record: _Record) -> None:
        self.currency, self.day, self.accounts = _at(record, 6) or "USD", None, 0
        self.groups += 1
        self.sums["98"] = 0
        try:
            self.day = _day(_at(record, 4))
        except ValueError as error:
            self.found.refuse(record.number, "02", _at(record, 4), str(error), 0)

    def _begin_account(self, record: _Record) -> None:
        self.accounts += 1
        self.end_account()
        if self.day is None:
            self.found.refuse(record.number, "03", _at(record, 1), "its group has no date", 0)
        else:
            self.account = _Account(record, (_at(record, 2) or self.currency).upper(), self.day)

    def _entry(self, record: _Record) -> None:
        if self.account is None:
            said = "it belongs to no account that could be read"
            self.found.refuse(record.number, "16", ",".join(record.fields), said)
        else:
            self.account.entries.append(record)


def _records(text: str, found: Found) -> Iterator[_Record]:
    current: _Record | None = None
    for number, line in enumerate(lines_of(text), start=1):
        for part in _parts(line):
            fields = part.split(",")
            kind = fields[0].strip()
            if kind == "88" and current is not None:
                current.texts.append(part.partition(",")[2])
                current.fields += fields[1:]
                current.records += 1
            elif kind in _KINDS:
                if current is not None:
                    yield current
                current = _Record(kind, fields, number)
            elif _RECORD.match(part):
                lost = int(_BOOKING.match(part) is not None)
                found.refuse(number, "record", part, f"{kind!r} is no record code", lost)
            elif current is not None and part.strip():
                current.texts.append(part)
    if current is not None:
        yield current


def _parts(line: str) -> list[str]:
    """Cut a physical line where a record ends (`/`) and another begins."""
    stripped = line.strip()
    cut: list[str] = []
    for part in stripped.split("/"):
        if cut and part.lstrip()[:2] not in _KINDS:
            cut[-1] += "/" + part  # a slash in a text
        else:
            cut.append(part.lstrip())
    return [part.removesuffix("/") for part in cut if part]


def _account(account: _Account, trailer: _Record, found: Found) -> None:
    """Turn an account's records into a statement."""
    head, lines, bad = account.head, [], 0
    for entry in account.entries:
        try:
            lines.append(_entry(entry, account))
        except ValueError as error:
            bad += 1
            found.refuse(entry.number, "16", ",".join(entry.fields), str(error))
    unreadable = ""
    try:
        balances = dict(_balances(head, account.currency))
    except ValueError as error:
        balances, unreadable = {}, str(error)
    found.statements.append(
        Statement(
            account=_at(head, 1),
            currency=account.currency,
            number=head.number,
            lines=tuple(lines),
            opening=balances.get(_OPENING),
            closing=balances.get(_CLOSING),
            closed=account.day,
            unreadable=unreadable,
        )
    )
    problem = _off(account, trailer)
    if problem is not None:
        found.statements.pop()
        found.refuse(trailer.number, *problem, len(lines))


def _off(account: _Account, trailer: _Record) -> tuple[str, str, str] | None:
    """Return field, value and problem where the account's trailer does not agree with its records."""
    stated, records = _at(trailer, 1), _at(trailer, 2)
    summed, counted = _sum(account), sum(one.records for one in (account.head, *account.entries, trailer))
    try:
        if stated and summed is not None and _integer(stated) != summed:
            return "49 control total", stated, f"the account's amounts add up to {summed}"
        if records and _integer(records) != counted:
            return "49 number of records", records, f"the account has {counted}"
    except NoAmount as error:
        return "49", ",".join(trailer.fields), str(error)
    return None


def _sum(account: _Account) -> int | None:
    """Return what the trailer's control total must be: every amount of the 03 and 16 records."""
    try:
        amounts = [amount for _, amount in _amounts(account.head)]
        return sum(amounts) + sum(_integer(_at(entry, 2)) for entry in account.entries)
    except ValueError:
        return None


def _amounts(head: _Record) -> Iterator[tuple[str, int]]:
    """Yield type code and amount, as written, of each status and summary of an 03 record."""
    at = 3
    while at + 1 < len(head.fields):
        code, amount, funds = _at(head, at), _at(head, at + 1), _at(head, at + 3)
        if not code:
            at += 1  # nothing stated, or where a line ended with a comma and went on in an 88
            continue
        if amount:
            yield code, _integer(amount)
        at += 4 + _more(head.fields, at + 3, funds)


def _balances(head: _Record, currency: str) -> Iterator[tuple[str, int]]:
    exponent(currency)
    for code, amount in _amounts(head):
        if code in {_OPENING, _CLOSING}:
            yield code, amount


def _entry(entry: _Record, account: _Account) -> Line:
    code = _at(entry, 1)
    if not code.isdecimal():
        raise NoAmount(f"{code!r} is no type code")
    number = int(code)
    if not (100 <= number <= 399 or 400 <= number <= 699 or number >= 900):  # noqa: PLR2004 - the specification's ranges
        raise NoAmount(f"type code {code} is neither a credit nor a debit")
    exponent(account.currency)
    sign = 1 if number <= 399 or 920 <= number <= 959 else -1  # noqa: PLR2004 - credits, and a bank's own credits
    funds = _at(entry, 3)
    at = 4 + _more(entry.fields, 3, funds)
    text = (
        ",".join(entry.fields[at + 2 :])
        if not entry.texts
        else ",".join([*entry.fields[at + 2 : _own(entry)], *entry.texts])
    )
    return Line(
        number=entry.number,
        amount=sign * _integer(_at(entry, 2)),
        currency=account.currency,
        booked=account.day,
        bank_id=_at(entry, at),
        reference=_at(entry, at + 1),
        text=" ".join(text.split()).strip(" /"),
    )


def _own(entry: _Record) -> int:
    """Return how many fields stood on the record's own line."""
    return len(entry.fields) - sum(text.count(",") + 1 for text in entry.texts)


def _more(fields: list[str], at: int, funds: str) -> int:
    """Return how many fields the availability takes: none, S three, V two, D one and two for each day."""
    if funds == "D":
        days = fields[at + 1].strip() if at + 1 < len(fields) else "0"
        return 1 + 2 * (int(days) if days.isdecimal() else 0)
    return _FUNDS.get(funds) or 0


def _integer(text: str) -> int:
    stripped = text.strip().rstrip("/")
    if not stripped.lstrip("+-").isdecimal():
        raise NoAmount(f"{text!r} is no amount: BAI2 amounts are whole minor units")
    return int(stripped)


def _at(record: _Record, at: int) -> str:
    return record.fields[at].strip().rstrip("/") if at < len(record.fields) else ""


def _day(text: str) -> date:
    if len(text) != 6 or not text.isdecimal():  # noqa: PLR2004 - YYMMDD
        raise NoAmount(f"{text!r} is no date: YYMMDD")
    return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
