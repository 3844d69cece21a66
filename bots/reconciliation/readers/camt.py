"""ISO 20022 camt.052 (account report), camt.053 (statement) and camt.054 (notification), versions 1 to 13.

The namespace's version is not asked for: every version has had the same path to what is read here, with a few elements
one level deeper since version 3. Batch bookings are taken apart where their parts add up to the booking, charges
included; where they do not, the booking is held back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from lxml import etree

from bots.reconciliation.lines import Found, Line, Statement
from bots.reconciliation.money import NoAmount, plain
from bots.reconciliation.readers.text import Unreadable
from bots.reconciliation.wording import stated

_MESSAGES = {"BkToCstmrAcctRpt": "Rpt", "BkToCstmrStmt": "Stmt", "BkToCstmrDbtCdtNtfctn": "Ntfctn"}
_OPENING, _CLOSING = ("OPBD", "PRCD"), ("CLBD",)
_NOT_GIVEN = frozenset({"NOTPROVIDED", "NONREF", "NOT PROVIDED"})
Element = Any


@dataclass(frozen=True)
class _Part:
    """One transaction of a booking."""

    node: Element
    amount: int | None
    """Signed as it counts, minor units; None where it is not told in the booking's currency."""


def read_camt(data: bytes, found: Found) -> None:
    """Read every statement of a message.

    Raises:
        Unreadable: it is no such message, or XML that is not to be trusted.
    """
    root = _parse(data)
    messages = [node for node in root.iter() if _kind(node) in _MESSAGES]
    if not messages:
        raise Unreadable("the XML holds no camt.052, camt.053 or camt.054 message")
    inside = 0
    for message in messages:
        for node in _all(message, _MESSAGES[_kind(message)]):
            _statement(node, found)
            inside += len(_all(node, "Ntry"))
    outside = sum(1 for _ in root.iter("{*}Ntry")) - inside
    if outside:
        found.refuse(0, "Ntry", outside, "bookings stand outside of the statements of a message", outside)


def _parse(data: bytes) -> Element:
    """Parse XML that may come from anywhere: no DTD, no entities, nothing fetched, no huge text."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(f"it is no well-formed XML: {error}") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("it has a document type: bank files have none, and it is not read")
    return root


def _statement(node: Element, found: Found) -> None:
    account = _text(node, "Acct/Id/IBAN") or _text(node, "Acct/Id/Othr/Id") or _text(node, "Acct/Id/PrtryAcct/Id")
    balances, unreadable = _balances(node)
    currency = _text(node, "Acct/Ccy") or next((one[2] for one in balances), "")
    lines: list[Line] = []
    bookings = 0
    made = _text(node, "CreDtTm")[:10]
    for at, entry in enumerate(_all(node, "Ntry")):
        parts = _entry(entry, found, made, at, currency if balances else "")
        bookings += bool(parts)
        lines += parts
    currency = currency or next((line.currency for line in lines), "")
    if not lines and not balances and not _all(node, "Ntry"):
        found.refuse(node.sourceline or 0, _name(node), account, "a statement without balances or bookings", 0)
        return
    opening = next((one for code in _OPENING for one in balances if one[0] == code), None)
    closing = next((one for code in _CLOSING for one in reversed(balances) if one[0] == code), None)
    statement = Statement(
        account=account,
        currency=currency,
        number=node.sourceline or 0,
        lines=tuple(lines),
        id=_text(node, "Id"),
        opening=opening[1] if opening else None,
        closing=closing[1] if closing else None,
        opened=opening[3] if opening else None,
        closed=closing[3] if closing else None,
        bookings=bookings,
        unreadable=unreadable,
    )
    found.statements.append(_with_totals(statement, node))


def _with_totals(statement: Statement, node: Element) -> Statement:
    """Add what the summary says of the number and sums of the bookings."""
    summary = _one(node, "TxsSummry")
    if summary is None:
        return statement
    try:
        count = _text(summary, "TtlNtries/NbOfNtries")
        incoming, outgoing = _text(summary, "TtlCdtNtries/Sum"), _text(summary, "TtlDbtNtries/Sum")
        return replace(
            statement,
            count=int(count) if count else None,
            incoming=plain(incoming, statement.currency) if incoming else None,
            outgoing=plain(outgoing, statement.currency) if outgoing else None,
        )
    except ValueError as error:
        return replace(statement, unreadable=f"TxsSummry: {error}")


def _balances(node: Element) -> tuple[list[tuple[str, int, str, date | None]], str]:
    """Return code, amount, currency and day of each balance that ties, and why one cannot be read."""
    found, unreadable = list[tuple[str, int, str, date | None]](), ""
    for balance in _all(node, "Bal"):
        code = _text(balance, "Tp/CdOrPrtry/Cd")
        if code not in (*_OPENING, *_CLOSING):
            continue
        try:
            amount, currency = _amount(balance)
            if found and currency != found[0][2]:
                raise NoAmount(f"it is in {currency}, another one in {found[0][2]}")
            found.append((code, amount, currency, _day(balance, "Dt")))
        except ValueError as error:
            unreadable = f"balance {code}: {error}"
    return found, unreadable


def _entry(entry: Element, found: Found, made: str, at: int, own: str) -> list[Line]:
    """Read one booking, the `at`-th of its statement; without any date it counts on the day its message was made.

    `own` is the currency of the balances that it must explain, if there are any.
    """
    number = entry.sourceline or 0
    try:
        amount, currency = _amount(entry)
        if own and currency != own:
            raise NoAmount(f"it is in {currency}, the balances of its account are in {own}")
        status = _text(entry, "Sts/Cd") or _text(entry, "Sts")
        if status and status != "BOOK":
            found.refuse(number, "Ntry/Sts", status, "is not booked yet: it comes again when it is")
            return []
        booked = _day(entry, "BookgDt") or _day(entry, "ValDt") or (date.fromisoformat(made) if made else None)
        if booked is None:
            raise NoAmount("it has neither a booking nor a value date")
        whole = Line(
            number=number,
            amount=amount,
            currency=currency,
            booked=booked,
            valued=_day(entry, "ValDt"),
            bank_id=_text(entry, "AcctSvcrRef") or _text(entry, "NtryRef"),
            text=_text(entry, "AddtlNtryInf"),
            reversal=_text(entry, "RvslInd") in {"true", "1"},
        )
        return _apart(entry, whole, at)
    except ValueError as error:
        found.refuse(number, "Ntry", _text(entry, "Amt"), str(error))
        return []


def _apart(entry: Element, whole: Line, at: int) -> list[Line]:
    """Take a booking apart into its transactions.

    Raises:
        NoAmount: its parts are all told, and do not add up to it.
    """
    parts = [_Part(node, _part_amount(node, whole)) for node in _deep(entry, "NtryDtls/TxDtls")]
    if len(parts) <= 1:
        return [_told(whole, parts[0].node) if parts else whole]
    if any(part.amount is None for part in parts):
        return [replace(whole, text=whole.text or _joined(parts))]
    total = sum(part.amount or 0 for part in parts)
    batch = whole.bank_id or f"booking {at + 1}"
    lines = [
        replace(_told(replace(whole, bank_id=""), part.node), amount=part.amount or 0, batch=batch) for part in parts
    ]
    charges = whole.amount - total
    own = whole.currency
    if charges and abs(charges) not in _charges(entry, whole):
        raise NoAmount(
            f"its {len(parts)} parts add up to {stated(total, own)}, the booking is {stated(whole.amount, own)}"
        )
    if charges:
        lines.append(replace(whole, bank_id="", amount=charges, batch=batch, text="charges"))
    return lines


def _part_amount(node: Element, whole: Line) -> int | None:
    for path in ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/InstdAmt/Amt"):
        amount = _one(node, path)
        if amount is not None and amount.get("Ccy") == whole.currency:
            told = _text(node, "CdtDbtInd")
            sign = {"CRDT": 1, "DBIT": -1}.get(told, 1 if whole.amount >= 0 else -1)
            return sign * plain(amount.text or "", whole.currency)
    return None


def _charges(entry: Element, whole: Line) -> set[int]:
    """Return what the charges of a booking may come to, minor units: its own, those of its parts, or both together."""
    own, parts = (
        abs(sum(_charge(node, whole.currency) for node in _deep(entry, path)))
        for path in ("Chrgs", "NtryDtls/TxDtls/Chrgs")
    )
    return {own, parts, own + parts}


def _charge(node: Element, currency: str) -> int:
    """Return what one element of charges comes to; its records say it one by one, its total at once."""
    records = _all(node, "Rcrd") or [node]
    amounts = [_one(record, "Amt") for record in records]
    if all(amount is None for amount in amounts):
        amounts = [_one(node, "TtlChrgsAndTaxAmt")]
    return sum(
        plain(amount.text or "", currency)
        for amount in amounts
        if amount is not None and amount.get("Ccy", currency) == currency
    )


def _told(line: Line, node: Element) -> Line:
    """Add what a transaction says of itself; the other party is the debtor of what came in."""
    party, account = ("Dbtr", "DbtrAcct") if line.amount >= 0 else ("Cdtr", "CdtrAcct")
    name = _text(node, f"RltdPties/{party}/Nm") or _text(node, f"RltdPties/{party}/Pty/Nm")
    other = _text(node, f"RltdPties/{account}/Id/IBAN") or _text(node, f"RltdPties/{account}/Id/Othr/Id")
    end_to_end = _text(node, "Refs/EndToEndId")
    structured = _text(node, "RmtInf/Strd/CdtrRefInf/Ref") or _text(node, "RmtInf/Strd/CdtrRefInf/CdtrRef")
    document = _text(node, "RmtInf/Strd/RfrdDocInf/Nb")
    free = " ".join(part.text.strip() for part in _deep(node, "RmtInf/Ustrd") if part.text)
    return replace(
        line,
        bank_id=line.bank_id or _text(node, "Refs/AcctSvcrRef"),
        end_to_end="" if end_to_end.upper() in _NOT_GIVEN else end_to_end,
        reference=structured or document,
        text=free or _text(node, "AddtlTxInf") or line.text,
        name=name,
        counter_account=other,
    )


def _joined(parts: list[_Part]) -> str:
    return "; ".join(
        text for part in parts if (text := " ".join(p.text or "" for p in _deep(part.node, "RmtInf/Ustrd")))
    )


def _amount(node: Element) -> tuple[int, str]:
    amount = _one(node, "Amt")
    if amount is None:
        raise NoAmount("it has no amount")
    currency = amount.get("Ccy") or ""
    told = _text(node, "CdtDbtInd")
    if told not in {"CRDT", "DBIT"}:
        raise NoAmount(f"{told!r} is neither CRDT nor DBIT")
    number = plain(amount.text or "", currency)
    return (number if told == "CRDT" else -number), currency


def _day(node: Element, name: str) -> date | None:
    text = _text(node, f"{name}/Dt") or _text(node, f"{name}/DtTm")
    return date.fromisoformat(text[:10]) if text else None


def _name(node: Element) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def _kind(node: Element) -> str:
    """Return a message's name; version 1 writes its number behind it."""
    return re.sub(r"V\d\d$", "", _name(node))


def _all(node: Element, name: str) -> list[Element]:
    return [child for child in node if _name(child) == name]


def _deep(node: Element, path: str) -> list[Element]:
    found = [node]
    for name in path.split("/"):
        found = [child for parent in found for child in _all(parent, name)]
    return found


def _one(node: Element, path: str) -> Element | None:
    found = _deep(node, path)
    return found[0] if found else None


def _text(node: Element, path: str) -> str:
    found = _one(node, path)
    return (found.text or "").strip() if found is not None else ""
