"""Whether a statement adds up: opening + movements = closing, and the counts and sums that its file states.

A statement that does not is held back whole: a line that was lost, doubled or misread cannot be told from the others.
"""

from __future__ import annotations

from collections.abc import Iterator

from bots.reconciliation.lines import Found, Statement


def tie_out(found: Found) -> tuple[list[Statement], list[str]]:
    """Return the statements that add up; those that do not are moved to the quarantine.

    A statement that has lines in the quarantine is held back too, because the lines that are left no longer explain
    its balances; without balances and totals it goes on with what could be read.

    Returns:
        The statements, and a sentence for each one without anything to tie it to.
    """
    good, loose = [], []
    for statement in found.statements:
        reasons = list(_reasons(statement))
        for field, value, problem in reasons:  # the bookings are counted once, whatever the number of reasons
            found.refuse(statement.number, field, value, problem, bookings(statement) if field == reasons[0][0] else 0)
        if not reasons:
            good.append(statement)
            if not is_tied(statement):
                what = statement.account or statement.id or "without an account"
                loose.append(f"line {statement.number}: statement {what} has no balances or totals to tie its lines to")
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


def _reasons(statement: Statement) -> Iterator[tuple[str, str, str]]:
    amounts = [line.amount for line in statement.lines]
    incoming, outgoing = sum(a for a in amounts if a > 0), -sum(a for a in amounts if a < 0)
    if statement.unreadable:
        yield "balances and totals", statement.account, statement.unreadable
    if statement.opening is not None and statement.closing is not None:
        expected = statement.opening + incoming - outgoing
        if expected != statement.closing:
            off = statement.closing - expected
            text = (
                f"opening {statement.opening} + movements {incoming - outgoing} is {expected}, {-off} off the closing"
            )
            yield "closing balance", str(statement.closing), text
    if statement.count is not None and statement.count != bookings(statement):
        yield "number of bookings", str(statement.count), f"the file holds {bookings(statement)}"
    if statement.incoming is not None and statement.incoming != incoming:
        yield "sum of credits", str(statement.incoming), f"the lines add up to {incoming}"
    if statement.outgoing is not None and statement.outgoing != outgoing:
        yield "sum of debits", str(statement.outgoing), f"the lines add up to {outgoing}"
