"""BAI2, cash management of US banks (BAI, "Cash Management Balance Reporting Specifications", version 2).

Records 01 file, 02 group, 03 account, 16 transaction, 88 continuation, 49/98/99 trailers. The account trailer's control
total is checked; some banks write several records on one physical line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from bots.reconciliation.lines import Found, Line, Statement
from bots.reconciliation.money import NoAmount, exponent
from bots.reconciliation.readers.text import Unreadable, decoded

_KINDS = frozenset({"01", "02", "03", "16", "88", "49", "98", "99"})
_OPENING, _CLOSING = "010", "015"
_FUNDS = {"S": 3, "V": 2, "D": None}


@dataclass
class _Record:
    kind: str
    fields: list[str]
    number: int
    texts: list[str] = field(default_factory=list)


@dataclass
class _Account:
    head: _Record
    currency: str
    day: date
    entries: list[_Record] = field(default_factory=list)
    records: int = 1


def read_bai2(data: bytes, found: Found) -> None:
    """Read every account of a file.

    Raises:
        Unreadable: it does not begin with an 01 record.
    """
    records = list(_records(decoded(data)))
    if not records or records[0].kind != "01":
        raise Unreadable("it does not begin with an 01 record")
    currency, day, account = "USD", None, None
    for record in records:
        if record.kind == "02":
            currency = _at(record, 6) or "USD"
            try:
                day = _day(_at(record, 4))
            except ValueError as error:
                found.refuse(record.number, "02", _at(record, 4), str(error), 0)
                day = None
        elif record.kind == "03":
            if account is not None:
                found.refuse(
                    account.head.number, "03", _at(account.head, 1), "it has no 49 trailer", len(account.entries)
                )
            account = None
            if day is None:
                found.refuse(record.number, "03", _at(record, 1), "its group has no date", 0)
                continue
            account = _Account(record, (_at(record, 2) or currency).upper(), day)
        elif record.kind == "16":
            if account is None:
                found.refuse(
                    record.number, "16", ",".join(record.fields), "it belongs to no account that could be read"
                )
            else:
                account.entries.append(record)
        elif record.kind == "49" and account is not None:
            _account(account, record, found)
            account = None
    if account is not None:
        found.refuse(account.head.number, "03", _at(account.head, 1), "it has no 49 trailer", len(account.entries))


def _records(text: str) -> Iterator[_Record]:
    current: _Record | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        for part in _parts(line):
            fields = part.split(",")
            kind = fields[0].strip()
            if kind == "88" and current is not None:
                current.texts.append(part.partition(",")[2])
                current.fields += fields[1:]
            elif kind in _KINDS:
                if current is not None:
                    yield current
                current = _Record(kind, fields, number)
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
    stated, summed = _at(trailer, 1), _sum(account)
    if stated and summed is not None and _integer(stated) != summed:
        found.statements.pop()
        said = f"the account's amounts add up to {summed}"
        found.refuse(trailer.number, "49 control total", stated, said, len(account.entries))


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
    if not code.isdigit():
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
        return 1 + 2 * (int(days) if days.isdigit() else 0)
    return _FUNDS.get(funds) or 0


def _integer(text: str) -> int:
    stripped = text.strip().rstrip("/")
    if not stripped.lstrip("+-").isdigit():
        raise NoAmount(f"{text!r} is no amount: BAI2 amounts are whole minor units")
    return int(stripped)


def _at(record: _Record, at: int) -> str:
    return record.fields[at].strip().rstrip("/") if at < len(record.fields) else ""


def _day(text: str) -> date:
    if len(text) != 6 or not text.isdigit():  # noqa: PLR2004 - YYMMDD
        raise NoAmount(f"{text!r} is no date: YYMMDD")
    return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
