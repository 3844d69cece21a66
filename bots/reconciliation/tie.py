"""Whether a statement adds up: opening + movements = closing, and the counts and sums that its file states.

A statement that does not is held back whole: a line that was lost, doubled or misread cannot be told from the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bots.reconciliation.lines import Found, Statement
from bots.reconciliation.wording import stated


def tie_out(found: Found) -> tuple[list[Statement], list[str]]:
    """Return the statements that add up; those that do not are moved to the quarantine.

    A statement that has lines in the quarantine is held back too, because the lines that are left no longer explain
    its balances; without balances and totals it goes on with what could be read.

    Returns:
        The statements, and a sentence for each one without anything to tie it to.
    """
    good, loose = [], []
    seen: dict[object, list[Statement]] = {}
    for statement in found.statements:
        reasons = list(_reasons(statement))
        twin = next((one for one in seen.setdefault(_outside(statement), []) if _same(one, statement)), None)
        if twin is not None:
            reasons.insert(0, ("statement", statement.id, f"it stands in the file already, from line {twin.number}"))
        else:
            seen[_outside(statement)].append(statement)
        for field, value, problem in reasons:  # the bookings are counted once, whatever the number of reasons
            found.refuse(statement.number, field, value, problem, bookings(statement) if field == reasons[0][0] else 0)
        if not reasons:
            good.append(statement)
            if not is_tied(statement):
                what = statement.account or statement.id or "without an account"
                said = f"the statement {what} states no balances or totals, so nothing says whether lines are missing"
                loose.append(f"line {statement.number}: {said}")
            elif statement.untied:
                loose.append(statement.untied)
    return good, loose


def is_tied(statement: Statement) -> bool:
    """Say whether there was anything to check the amounts against; a mere count does not."""
    balances = statement.opening is not None and statement.closing is not None
    return balances or None not in (statement.incoming, statement.outgoing)


def bookings(statement: Statement) -> int:
    """Return how many bookings its lines stand for: a batch that was taken apart is one."""
    return len(statement.lines) if statement.bookings is None else statement.bookings


def _outside(one: Statement) -> object:
    return one.account, one.currency, one.id, one.opening, one.closing, one.opened, one.closed, len(one.lines)


def _same(one: Statement, other: Statement) -> bool:
    """Say whether two statements are one: by their id or those of their lines, and everything that they say."""
    if not one.lines or not (one.id or all(line.bank_id for line in one.lines)):
        return False
    return all(replace(a, number=b.number) == b for a, b in zip(one.lines, other.lines, strict=True))


def _reasons(statement: Statement) -> Iterator[tuple[str, str, str]]:
    amounts = [line.amount for line in statement.lines]
    incoming, outgoing = sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)
    if statement.unreadable:
        yield "balances and totals", statement.account, statement.unreadable

    def said(amount: int) -> str:
        return stated(amount, statement.currency)

    if statement.opening is not None and statement.closing is not None:
        expected = statement.opening + incoming - outgoing
        if expected != statement.closing:
            moved = f"opening {said(statement.opening)} + movements {said(incoming - outgoing)} is {said(expected)}"
            off = f"{said(expected - statement.closing)} off the closing"
            yield "closing balance", said(statement.closing), f"{moved}, {off}"
    if statement.count is not None and statement.count != bookings(statement):
        yield "number of bookings", str(statement.count), f"the file holds {bookings(statement)}"
    for name, told, summed in (("credits", statement.incoming, incoming), ("debits", statement.outgoing, outgoing)):
        if told is not None and told != summed:
            yield f"sum of {name}", said(told), f"the lines add up to {said(summed)}"
