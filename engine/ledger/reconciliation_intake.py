"""Taking a delivery in: what is known of its lines, and writing what is new, corrected or withdrawn."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Any

import sqlalchemy as sa

from engine.ledger import reconciliation_tables as t
from engine.ledger.reconciliation_rows import Ledgered, chunks, facts_of, free
from engine.ledger.reconciliation_tables import HAS_BANK_ID, MATCHABLE, STANDS
from engine.open_items import FACTS, AccountState, Arrival, DeliveryFacts, Facts, Known, StatementFacts

_LINES = t.recon_lines
_KNOWN = [_LINES.c[name] for name in ("id", "content", "statement_id", *FACTS)]


def begin(place: Ledgered, delivery: DeliveryFacts) -> Intake:
    """Write the delivery and return what takes it in."""
    table = t.recon_deliveries
    same = sa.select(table.c.id, table.c.counts).where(
        place.of(table), table.c.side == delivery.side, table.c.sha256 == delivery.sha256, table.c.repeats.is_(None)
    )
    before = place.connection.execute(same.order_by(table.c.id)).all()
    repeats = next((one.id for one in before if one.counts.get("lines", 0) >= delivery.lines), None)
    row = asdict(delivery)
    del row["lines"]
    row |= {"received_by": row.pop("by"), "reconciliation_id": place.id, "repeats": repeats, "counts": {}}
    made = sa.insert(table).values(**row, received_at=place.clock.now()).returning(table.c.id)
    return Intake(place, place.connection.execute(made).scalar_one(), delivery.side, repeats)


class Intake:
    """One delivery of one side on its way in (`bots.reconciliation.ports.Intake`)."""

    def __init__(self, place: Ledgered, delivery_id: int, side: int, repeats: int | None) -> None:
        self._place, self.delivery_id, self._side, self.repeats = place, delivery_id, side, repeats
        self._accounts: dict[tuple[str, str], AccountState] = {}
        self.counts: Counter[str] = Counter()
        """What was found, for the record."""

    def account(self, account: str, currency: str) -> AccountState:
        """Return what is known of an account, this delivery included."""
        key = account, currency
        if key not in self._accounts:
            table = t.recon_accounts
            query = sa.select(table).where(self._place.of(table), table.c.side == self._side)
            row = self._place.connection.execute(
                query.where(table.c.account == account, table.c.currency == currency)
            ).first()
            found = {} if row is None else dict(row._mapping)  # noqa: SLF001 (SQLAlchemy's own name)
            found.pop("reconciliation_id", None)
            blank = AccountState(self._side, account, currency, None, None, 0, 0, None, None, None)
            self._accounts[key] = replace(blank, **found)
        return self._accounts[key]

    def with_contents(self, contents: Collection[str]) -> list[Known]:
        """Return the standing lines that say the same as any of these, by id."""
        return self._known(_LINES.c.content, contents)

    def with_bank_ids(self, account: str, bank_ids: Collection[str]) -> list[Known]:
        """Return the standing lines of an account with any of these ids, by id."""
        return self._known(_LINES.c.bank_id, bank_ids, _LINES.c.account == account, HAS_BANK_ID)

    def alike(self, account: str, days_and_amounts: Collection[tuple[date, int]]) -> list[Known]:
        """Return the standing lines of an account with any of these booking days and amounts, by id."""
        days = {day for day, _ in days_and_amounts}
        amounts = {amount for _, amount in days_and_amounts}
        found = self._known(_LINES.c.booked, days, _LINES.c.account == account, _LINES.c.amount.in_(amounts))
        return [one for one in found if (one.facts.booked, one.facts.amount) in days_and_amounts]

    def of_statements(self, statement_ids: Collection[int]) -> list[Known]:
        """Return the standing lines that these statements brought, by id."""
        return self._known(_LINES.c.statement_id, statement_ids)

    def outdated(self, contents: Collection[str]) -> dict[str, int]:
        """Return which of these a line said before it was corrected, and the line's id."""
        table, found = t.recon_corrections, {}
        for part in chunks(contents):
            query = sa.select(table.c.content, table.c.line_id).where(self._place.of(table))
            query = query.where(table.c.side == self._side, table.c.content.in_(part)).order_by(table.c.id)
            found.update({row.content: row.line_id for row in self._place.connection.execute(query)})
        return found

    def since(self, account: str, currency: str, day: date) -> list[StatementFacts]:
        """Return the statements of an account that end on a day or later, oldest first."""
        table = t.recon_statements
        query = sa.select(table).where(self._place.of(table), table.c.side == self._side)
        query = query.where(table.c.account == account, table.c.currency == currency, table.c.closed >= day)
        names = ("account", "currency", "name", "opening", "closing", "opened", "closed", "lines", "movements", "id")
        rows = self._place.connection.execute(query.order_by(table.c.id))
        return [StatementFacts(*(getattr(row, name) for name in names)) for row in rows]

    def add_statement(self, statement: StatementFacts) -> int:
        """Write a statement, move its account's balances on, and return its id."""
        table = t.recon_statements
        row = asdict(statement)
        del row["id"]
        row |= {"delivery_id": self.delivery_id, "reconciliation_id": self._place.id, "side": self._side}
        made = self._place.connection.execute(sa.insert(table).values(row).returning(table.c.id)).scalar_one()
        known = self.account(statement.account, statement.currency)
        if statement.opening is not None and (known.opening is None or _before(statement.opened, known.opened)):
            known = replace(known, opening=statement.opening, opened=statement.opened)
        if statement.closing is not None and not _before(statement.closed, known.closed):
            known = replace(known, closing=statement.closing, closed=statement.closed)
        self._accounts[known.account, known.currency] = known
        return int(made)

    def add(self, statement_id: int, arrivals: Sequence[Arrival]) -> list[int]:
        """Write new lines and return their ids; each is open, and the n-th of those that say the same."""
        seen = self._occurrences({one.content for one in arrivals})
        rows = []
        for one in arrivals:
            seen[one.content] += 1
            rows.append(self._row(one, statement_id, seen[one.content]))
            self._moved(one.facts, one.facts.amount, 1)
        made = sa.insert(_LINES).returning(_LINES.c.id)
        return [one for part in chunks(rows) for one in self._place.connection.execute(made, part).scalars()]

    def correct(self, known: Known, arrival: Arrival, why: str) -> None:
        """Let a line say what a delivery says it does; what it said before is kept."""
        before, after = _said(known.facts), _said(arrival.facts)
        changed = {name for name in after if before[name] != after[name]}
        kept: dict[str, Any] = {"content": known.content, "before": before}
        kept["after"] = {name: after[name] for name in sorted(changed)}
        kept |= {"line_id": known.id, "delivery_id": self.delivery_id, "side": self._side}
        kept |= {"reconciliation_id": self._place.id, "at": self._place.clock.now()}
        self._place.connection.execute(sa.insert(t.recon_corrections).values(kept))
        occurrence = self._occurrences({arrival.content})[arrival.content] + 1
        values = {"content": arrival.content, "occurrence": occurrence, "day": arrival.facts.day}
        values |= {name: getattr(arrival.facts, name) for name in FACTS}
        change = sa.update(_LINES).where(_LINES.c.id == known.id)
        self._place.connection.execute(change.values(corrections=_LINES.c.corrections + 1, **values))
        self._moved(arrival.facts, arrival.facts.amount - known.facts.amount, 0)
        self._release([known.id], f"{why}: {', '.join(sorted(changed))}")
        # in a person's match it is not looked at: nothing would ever say that it had been
        self._place.connection.execute(sa.update(_LINES).where(_LINES.c.id == known.id, MATCHABLE).values(fresh=True))

    def withdraw(self, known: Sequence[Known], why: str) -> None:
        """Let lines stand no longer."""
        ids = [one.id for one in known]
        self._release(ids, why)
        for part in chunks(ids):
            change = sa.update(_LINES).where(_LINES.c.id.in_(part)).values(withdrawn_in=self.delivery_id)
            self._place.connection.execute(change)
        for one in known:
            self._moved(one.facts, -one.facts.amount, -1)

    def end(self) -> None:
        """Write what was counted, and the balances."""
        table = t.recon_accounts
        for state in self._accounts.values():
            key: dict[str, Any] = {"reconciliation_id": self._place.id, "side": self._side}
            key |= {"account": state.account, "currency": state.currency}
            self._place.connection.execute(sa.delete(table).where(*(table.c[name] == key[name] for name in key)))
            self._place.connection.execute(sa.insert(table).values(asdict(state) | key))
        counts = sa.update(t.recon_deliveries).where(t.recon_deliveries.c.id == self.delivery_id)
        self._place.connection.execute(counts.values(counts=dict(self.counts)))

    def _known(self, column: sa.Column[Any], values: Iterable[Any], *where: sa.ColumnElement[bool]) -> list[Known]:
        found = []
        for part in chunks(values):
            query = sa.select(*_KNOWN).where(self._place.of(_LINES), _LINES.c.side == self._side, STANDS, *where)
            rows = self._place.connection.execute(query.where(column.in_(part)))
            found += [Known(row.id, facts_of(row), row.content, row.statement_id) for row in rows]
        return sorted(found, key=lambda one: one.id)

    def _occurrences(self, contents: Collection[str]) -> defaultdict[str, int]:
        found: defaultdict[str, int] = defaultdict(int)
        for part in chunks(contents):
            query = sa.select(_LINES.c.content, sa.func.max(_LINES.c.occurrence))
            query = query.where(self._place.of(_LINES), _LINES.c.side == self._side, _LINES.c.content.in_(part))
            found.update({row[0]: row[1] for row in self._place.connection.execute(query.group_by(_LINES.c.content))})
        return found

    def _row(self, arrival: Arrival, statement_id: int, occurrence: int) -> dict[str, Any]:
        row: dict[str, Any] = {name: getattr(arrival.facts, name) for name in FACTS}
        row |= {"reconciliation_id": self._place.id, "side": self._side, "content": arrival.content}
        row |= {"occurrence": occurrence, "day": arrival.facts.day, "state": "open", "fresh": True}
        row |= {"how": arrival.how, "number": arrival.number, "corrections": 0}
        return row | {"statement_id": statement_id, "delivery_id": self.delivery_id}

    def _moved(self, facts: Facts, amount: int, lines: int) -> None:
        known = self.account(facts.account, facts.currency)
        latest = facts.booked if known.latest is None else max(known.latest, facts.booked)
        moved = replace(known, movements=known.movements + amount, lines=known.lines + lines, latest=latest)
        self._accounts[facts.account, facts.currency] = moved

    def _release(self, line_ids: Sequence[int], why: str) -> None:
        """Take back automatic matches of these lines; a person's match stays, and says what happened to it."""
        place, table = self._place, t.recon_matches
        for part in chunks(line_ids):
            of_lines = sa.select(_LINES.c.match_id).where(_LINES.c.id.in_(part), _LINES.c.match_id.is_not(None))
            rows = place.connection.execute(sa.select(table).where(table.c.id.in_(of_lines)).order_by(table.c.id)).all()
            manual = [row.id for row in rows if row.manual]
            other = [row.id for row in rows if not row.manual]
            place.connection.execute(sa.update(table).where(table.c.id.in_(manual)).values(attention=why))
            place.connection.execute(sa.update(table).where(table.c.id.in_(other)).values(state="replaced"))
            free(place, other)
            self.counts["reopened"] += sum(row.state == "closed" for row in rows if not row.manual)
            for row in rows:
                verb = "notice" if row.manual else "take back"
                place.decide(verb, "countersign", why, row.id, delivery=self.delivery_id, was=row.state)


def _said(facts: Facts) -> Mapping[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(facts).items()}


def _before(one: date | None, other: date | None) -> bool:
    return one is not None and other is not None and one < other
