"""OFX and QFX: version 1 (SGML, end tags left out) and version 2 (XML), bank and credit-card statements.

Investment statements are named in the quarantine: their positions are no bookings of an account.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from bots.reconciliation.lines import Found, Line, Statement
from bots.reconciliation.money import NoAmount, written
from bots.reconciliation.readers.text import Unreadable, beginning, decoded

_TOKEN = re.compile(r"<(/?)([A-Za-z0-9_.]+)[^<>]*?(/?)>([^<]*)")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_BOOKING = re.compile(r"<STMTTRN\s*>", re.IGNORECASE)
_CHARSETS = {
    "1252": "cp1252",
    "ISO-8859-1": "latin-1",
    "UTF-8": "utf-8",
    "936": "gb18030",
    "932": "cp932",
    "950": "big5",
}
_STATEMENTS = ("STMTRS", "CCSTMTRS")
_INVESTMENTS = "INVSTMTRS"
_DEEPEST = 100


@dataclass
class _Node:
    name: str
    number: int
    text: str = ""
    children: list[_Node] = field(default_factory=list)

    def all(self, name: str, but: tuple[str, ...] = ()) -> Iterator[_Node]:
        """Yield every node of a name below, in their order, whatever the depth, but not below nodes named in `but`."""
        waiting = self.children[::-1]
        while waiting:
            node = waiting.pop()
            if node.name == name:
                yield node
            if node.name not in but:
                waiting += node.children[::-1]

    def value(self, *path: str) -> str:
        """Return the text at the end of a path of direct children."""
        node: _Node | None = self
        for name in path:
            node = next((child for child in node.children if child.name == name), None) if node else None
        return node.text if node else ""


def read_ofx(data: bytes, found: Found) -> None:
    """Read every bank and credit-card statement of a file.

    Raises:
        Unreadable: it is no OFX.
    """
    head = beginning(data, 2000)
    charset = re.search(r"(?:CHARSET|encoding)\s*[:=]\s*\"?([\w-]+)", head)
    encoding = re.search(r"ENCODING\s*:\s*([\w-]+)", head)
    named = _CHARSETS.get(charset[1].upper()) if charset else None
    if encoding and encoding[1].upper() in {"UTF-8", "UNICODE"}:
        named = "utf-8"
    text = _lenient(data, named, found.said)
    text = _CDATA.sub(lambda match: html.escape(match[1], quote=False) + "\n" * match[0].count("\n"), text)
    start = re.search(r"<OFX>", text, re.IGNORECASE)
    if start is None:
        raise Unreadable("it holds no <OFX>")
    root = _tree(text, start.start())
    statements = [node for name in _STATEMENTS for node in root.all(name)]
    for node in statements:
        _statement(node, found)
    _refuse_strays(root, statements, len(_BOOKING.findall(text, 0, start.start())), found)
    for node in root.all("STMTTRNP"):
        found.refuse(node.number, "STMTTRNP", node.value("TRNAMT"), "is not booked yet: it comes again when it is")
    for node in root.all(_INVESTMENTS):
        count = sum(1 for name in ("STMTTRN", "BUYSTOCK", "SELLSTOCK", "INCOME") for _ in node.all(name))
        found.refuse(node.number, "INVSTMTRS", node.value("INVACCTFROM", "ACCTID"), "an investment statement", count)
    if not statements and not found.quarantined:
        said = " ".join(f"{status.value('CODE')} {status.value('MESSAGE')}".strip() for status in root.all("STATUS"))
        found.refuse(root.number, "OFX", said, "the answer holds no statement", 0)


def _refuse_strays(root: _Node, statements: list[_Node], above: int, found: Found) -> None:
    """Refuse what only bookings have, where it stands outside of them: `above` of them before the answer begins."""
    for name in ("STMTTRN", "TRNAMT"):
        inside = sum(1 for one in statements for _ in one.all("STMTTRN", but=_STATEMENTS))
        strays = above + sum(1 for _ in root.all(name, but=(_INVESTMENTS, "STMTTRNP"))) - inside
        if strays > 0:
            found.refuse(
                root.number, name, strays, "bookings stand outside of the statements, or hold two amounts", strays
            )
            return


def _lenient(data: bytes, named: str | None, said: list[str]) -> str:
    """Return the text; banks declare one encoding and write another, and what is UTF-8 is hardly anything else."""
    for name in ("utf-8", named):
        try:
            return data.decode(name) if name and b"\0" not in data else decoded(data, said=said)
        except UnicodeDecodeError:
            continue
    return decoded(data, said=said)


def _tree(text: str, start: int) -> _Node:
    """Build the tree; a tag that holds text ends by itself."""
    root = _Node("", 1)
    stack = [root]
    number, last = text.count("\n", 0, start) + 1, start
    for token in _TOKEN.finditer(text, start):
        number += text.count("\n", last, token.start())
        last = token.start()
        closes, name, closed, value = token[1], token[2].upper(), token[3], html.unescape(token[4]).strip()
        if closes:
            if any(node.name == name for node in stack[1:]):
                while (left := stack.pop()).name != name:
                    stack[-1].children += left.children  # it had no text and no end: what follows it is not within it
                    left.children = []
            continue
        node = _Node(name, number, value)
        stack[-1].children.append(node)
        if not value and not closed:
            stack.append(node)
            if len(stack) > _DEEPEST:
                raise Unreadable(f"line {number}: its elements are nested deeper than {_DEEPEST}")
    return root


def _statement(node: _Node, found: Found) -> None:
    currency = node.value("CURDEF").upper()
    where = next((child for child in node.children if child.name in {"BANKACCTFROM", "CCACCTFROM"}), node)
    lines = []
    for entry in node.all("STMTTRN", but=_STATEMENTS):  # of a statement within this one they are that one's
        try:
            lines.append(_entry(entry, currency))
        except ValueError as error:
            found.refuse(entry.number, "STMTTRN", entry.value("TRNAMT"), str(error))
    closing, closed, unreadable = _balance(node, currency)
    found.statements.append(
        Statement(
            account=" ".join(part for part in (where.value("BANKID"), where.value("ACCTID")) if part),
            currency=currency,
            number=node.number,
            lines=tuple(lines),
            closing=closing,
            closed=closed,
            unreadable=unreadable,
        )
    )


def _balance(node: _Node, currency: str) -> tuple[int | None, date | None, str]:
    balance = next((child for child in node.children if child.name == "LEDGERBAL"), None)
    if balance is None or not balance.value("BALAMT"):
        return None, None, ""
    try:
        return _money(balance.value("BALAMT"), currency), _day(balance.value("DTASOF")), ""
    except ValueError as error:
        return None, None, f"LEDGERBAL: {error}"


def _entry(entry: _Node, currency: str) -> Line:
    booked = _day(entry.value("DTPOSTED"))
    if booked is None:
        raise NoAmount("it has no booking date (DTPOSTED)")
    name = entry.value("NAME") or entry.value("PAYEE", "NAME")
    currency = entry.value("CURRENCY", "CURSYM").upper() or currency
    other = next((child for child in entry.children if child.name in {"BANKACCTTO", "CCACCTTO"}), None)
    return Line(
        number=entry.number,
        amount=_money(entry.value("TRNAMT"), currency),
        currency=currency,
        booked=booked,
        valued=_day(entry.value("DTAVAIL")),
        bank_id=entry.value("FITID"),
        reference=entry.value("REFNUM") or entry.value("CHECKNUM"),
        text=entry.value("MEMO"),
        name=name,
        counter_account=other.value("ACCTID") if other else "",
        reversal=entry.value("CORRECTACTION").upper() == "DELETE",
    )


def _money(text: str, currency: str) -> int:
    """Read an amount with a point or a comma before its decimals; the specification allows both, and no groups."""
    return written(text, currency, "," if "," in text and "." not in text else ".")


def _day(text: str) -> date | None:
    """Return the day of an OFX instant (YYYYMMDD[HHMMSS[.XXX]][[offset:zone]]), as the bank's own zone counts it.

    Raises:
        ValueError: it is none.
    """
    stripped = text.strip()
    if not stripped or set(stripped[:8]) == {"0"}:
        return None
    match = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", stripped)
    if match is None:
        raise NoAmount(f"{text!r} is no date")
    return date(int(match[1]), int(match[2]), int(match[3]))
