"""SWIFT MT940 (statement) and MT942 (interim report): SWIFT User Handbook, category 9; `:86:` also in the German style.

One file may hold several statements, each from its own `:20:`; banks leave out the blocks around them, break `:86:`
anywhere, and write `?20` or `/REMI/` fields into it.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from bots.reconciliation.lines import Found, Line, Statement
from bots.reconciliation.money import NoAmount, plain
from bots.reconciliation.readers.text import decoded, lines_of

_TAG = re.compile(r"^:(\d{2}[A-Z]?):(.*)$")
_BALANCE = re.compile(r"([CD])(\d{6})([A-Z]{3})([\d.]*,?\d*)\s*")
_ENTRY = re.compile(
    r"(?P<valued>\d{6})(?:(?P<booked>\d{4})|\s{4})?(?P<sign>R?[CD])(?P<funds>[A-Z])?\s*(?P<amount>\d+,?\d*)"
    r"(?P<type>[A-Z][A-Z0-9]{3})?(?P<owner>.*?)(?://(?P<bank>.*))?",
)
_UNTAGGED = re.compile(r"\s*:?\w{0,2}:?\d{6}(?:\d{4})?R?[CD][A-Z]?\d+,\d*[A-Z][A-Z0-9]{3}")
_TOTAL = re.compile(r"(\d{1,5})([A-Z]{3})([\d.]*,?\d*)\s*")
_GERMAN = re.compile(r"\?(\d{2})")
_CODED = re.compile(r"/([A-Z]{3,4})/")
_SEPA = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|IBAN|BIC)[+:]")
_FEBRUARY = 2
_PIVOT = 80
"""Two-digit years from here on are of the last century."""


@dataclass(frozen=True)
class _Field:
    tag: str
    text: str
    number: int


def read_mt940(data: bytes, found: Found) -> None:
    """Read every statement of a file."""
    fields = list(_fields(decoded(data, said=found.said), found))
    starts = [at for at, field in enumerate(fields) if field.tag == "20"] or ([0] if fields else [])
    if fields and starts[0] > 0:
        starts.insert(0, 0)
    for at, start in enumerate(starts):
        part = fields[start : starts[at + 1] if at + 1 < len(starts) else None]
        _statement(part, found)


def _fields(text: str, found: Found) -> Iterator[_Field]:
    tag, number, parts = "", 0, list[str]()
    for at, raw in enumerate(lines_of(text), start=1):
        line = raw.rstrip("\r\x03\x1a ")
        match = _TAG.match(line)
        ends = line == "-" or line.startswith(("-}", "{", "}"))
        if _UNTAGGED.match(line) and not (match and match[1] == "61"):
            found.refuse(at, "line", line, "looks like a booking, but its tag is not :61:")
        elif match or ends:
            if tag:
                yield _Field(tag, "\n".join(parts), number)
            tag, number, parts = (match[1], at, [match[2]]) if match else ("", at, [])
        elif tag:
            parts.append(line)
    if tag:
        yield _Field(tag, "\n".join(parts), number)


def _statement(fields: list[_Field], found: Found) -> None:
    by_tag: dict[str, _Field] = {}
    for field in fields:
        by_tag.setdefault(field.tag, field)
    last = {field.tag: field for field in fields}
    ends = by_tag.get("60F") or by_tag.get("60M"), last.get("62F") or last.get("62M")
    opening, closing = (_balance(field, found) for field in ends)
    unreadable = [
        f":{end.tag}: is no balance" for end, read in zip(ends, (opening, closing), strict=True) if end and not read
    ]
    if opening and closing and opening[1] != closing[1]:
        unreadable.append(f"the opening balance is in {opening[1]}, the closing one in {closing[1]}")
    currency = opening[1] if opening else closing[1] if closing else _currency(by_tag)
    lines, bad = _lines(fields, currency, found)
    if not lines and not bad and opening is None and closing is None:
        _leftover(fields, found)
        return
    statement = Statement(
        account=by_tag["25"].text.strip() if "25" in by_tag else "",
        currency=currency,
        number=fields[0].number,
        lines=tuple(lines),
        id=" ".join(by_tag[tag].text.strip() for tag in ("28C", "28", "20") if tag in by_tag),
        opening=opening[0] if opening else None,
        closing=closing[0] if closing else None,
        opened=opening[2] if opening else None,
        closed=closing[2] if closing else None,
        unreadable="; ".join(unreadable),
    )
    found.statements.append(_with_totals(statement, by_tag))


def _leftover(fields: list[_Field], found: Found) -> None:
    for field in fields:
        if field.tag in {"61", "60F", "60M", "62F", "62M"}:
            return  # said already
    found.refuse(fields[0].number, f":{fields[0].tag}:", fields[0].text, "a message without balances or bookings", 0)


def _currency(by_tag: dict[str, _Field]) -> str:
    for tag in ("34F", "90D", "90C"):
        match = re.search(r"[A-Z]{3}", by_tag[tag].text) if tag in by_tag else None
        if match:
            return match[0]
    match = re.search(r"([A-Z]{3})$", by_tag["25"].text.strip()) if "25" in by_tag else None
    return match[1] if match else ""


def _with_totals(statement: Statement, by_tag: dict[str, _Field]) -> Statement:
    """Add what an MT942 says of the number and sum of its bookings."""
    totals: dict[str, tuple[int, int]] = {}
    for tag in ("90C", "90D"):
        field = by_tag.get(tag)
        match = _TOTAL.fullmatch(field.text.split("\n")[0]) if field else None
        if field is not None and match is None:
            return replace(statement, unreadable=f":{tag}: {field.text!r} is no number and sum of bookings")
        if match is not None:
            totals[tag] = int(match[1]), _amount(match[3], match[2])
    if len(totals) < 2:  # noqa: PLR2004 - credits and debits
        return statement
    (credits_, incoming), (debits, outgoing) = totals["90C"], totals["90D"]
    return replace(statement, count=credits_ + debits, incoming=incoming, outgoing=outgoing)


def _balance(field: _Field | None, found: Found) -> tuple[int, str, date] | None:
    if field is None:
        return None
    match = _BALANCE.fullmatch(field.text.split("\n")[0].strip())
    try:
        if match is None:
            raise NoAmount("is no balance: C or D, date, currency, amount")
        amount = _amount(match[4], match[3])
        return (-amount if match[1] == "D" else amount), match[3], _day(match[2])
    except ValueError as error:
        found.refuse(field.number, f":{field.tag}:", field.text, str(error), 0)
        return None


def _lines(fields: list[_Field], currency: str, found: Found) -> tuple[list[Line], int]:
    lines: list[Line] = []
    bad = 0
    for at, field in enumerate(fields):
        if field.tag != "61":
            continue
        info = fields[at + 1] if at + 1 < len(fields) and fields[at + 1].tag == "86" else None
        try:
            lines.append(_entry(field, info, currency))
        except ValueError as error:
            bad += 1
            found.refuse(field.number, ":61:", field.text, str(error))
    return lines, bad


def _entry(field: _Field, info: _Field | None, currency: str) -> Line:
    first, _, further = field.text.partition("\n")
    match = _ENTRY.fullmatch(first.strip())
    if match is None:
        raise NoAmount("is no booking: value date, C or D, amount, type")
    amount = _amount(match["amount"], currency)
    valued = _day(match["valued"], thirty=True)
    sign = 1 if match["sign"] in {"C", "RD"} else -1
    line = Line(
        number=field.number,
        amount=sign * amount,
        currency=currency,
        booked=_booked(match["booked"], valued),
        valued=valued,
        bank_id=(match["bank"] or "").strip(),
        reference=_told(match["owner"]),
        text=further.strip(),
        reversal=match["sign"].startswith("R"),
    )
    return _with_info(line, info) if info else line


def _with_info(line: Line, info: _Field) -> Line:
    whole = info.text.replace("\n", "")
    parts = _GERMAN.split(whole)
    if len(parts) > 2:  # noqa: PLR2004 - at least one ?nn
        coded = dict(zip(parts[1::2], parts[2::2], strict=True))
        purpose = "".join(coded[key] for key in sorted(coded) if "20" <= key <= "29" or "60" <= key <= "63")
        sepa = _pairs(_SEPA, purpose)
        return replace(
            line,
            text=sepa.get("SVWZ", purpose).strip(),
            name=(coded.get("32", "") + coded.get("33", "")).strip(),
            counter_account=coded.get("31", "").strip(),
            end_to_end=_told(sepa.get("EREF", "")),
            reference=_told(sepa.get("KREF", "")) or line.reference,
        )
    coded = _pairs(_CODED, whole)
    if coded:
        text = coded.get("REMI", whole)
        return replace(
            line,
            text=text.strip(),
            name=coded.get("NAME", "").strip(),
            counter_account=coded.get("IBAN", "").strip(),
            end_to_end=_told(coded.get("EREF", "")),
        )
    return replace(line, text=" ".join(part for part in (line.text, info.text.replace("\n", " ").strip()) if part))


def _pairs(pattern: re.Pattern[str], text: str) -> dict[str, str]:
    parts = pattern.split(text)
    return dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))


def _told(text: str) -> str:
    stripped = text.strip()
    return "" if stripped.upper() in {"NONREF", "NOTPROVIDED", "KREF+"} else stripped


def _amount(text: str, currency: str) -> int:
    return plain(text.replace(".", "").replace(",", ".").rstrip(".") or "?", currency)


def _day(text: str, *, thirty: bool = False) -> date:
    """Read YYMMDD; where months have 30 days (German banks value by 30/360), February's last day stands for them."""
    year, month, day = (int(text[at : at + 2]) for at in (0, 2, 4))
    year += 1900 if year >= _PIVOT else 2000
    if thirty and month == _FEBRUARY and day in {29, 30}:
        day = min(day, monthrange(year, month)[1])
    return date(year, month, day)


def _booked(text: str | None, valued: date) -> date:
    """Return the booking date, which has no year: the one nearest to the value date."""
    if not text:
        return valued
    candidates = []
    for year in (valued.year - 1, valued.year, valued.year + 1):
        try:
            candidates.append(date(year, int(text[:2]), int(text[2:])))
        except ValueError:
            continue  # 29 February
    if not candidates:
        raise NoAmount(f"{text!r} is no booking date")
    return min(candidates, key=lambda day: abs(day - valued))
