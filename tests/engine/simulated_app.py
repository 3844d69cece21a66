"""A simulated application: what it holds, how it fails, and hands that work on it as a browser would.

It is a small honest world, not a list of canned answers: a record exists once it was posted and has landed, the list
shows it when it is no longer hidden, a form is empty until it was filled, and a page is gone when the session is.
Faults are queued by place (`open`, `fill`, `aim`, `send`, `find`, `read`, `begin`, `listed`) and each strikes once.
"""

from __future__ import annotations

import asyncio
import zipfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from engine.clock import Clock, ManualClock
from engine.definition import Step, Workflow
from engine.errors import BusinessException, NotSent, Rejected, SessionLost, SystemException, UnknownOutcome
from engine.ports import Case, Finding, Found, Hands, ItemView, Receipt, SentRequest, Verdict
from engine.values import Record, equal

Key = tuple[str, str, int]
"""Supplier, invoice number and the number of the commit step that made the record."""


class Killed(BaseException):
    """kill -9: nothing of the worker runs any more; only the application and the ledger remain."""


@dataclass(frozen=True)
class Posted:
    """One record of the application."""

    key: Key
    values: Record
    lands_at: datetime
    shown_at: datetime
    number: int


@dataclass
class Application:
    """The application's side: its records, its faults, and a log of what hands did to it."""

    clock: Clock
    records: list[Posted] = field(default_factory=list)
    faults: dict[str, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    log: list[str] = field(default_factory=list)
    delay: timedelta = timedelta(seconds=5)
    """How late `commit_late` lands and how long `hidden` hides."""
    alike: int = 0
    kill: Callable[[str], None] = lambda _: None
    """Asked at every point at which a worker may die; raises `Killed` to let it."""

    def will(self, place: str, *faults: str) -> None:
        """Queue faults for a place; `ok` lets one visit pass."""
        self.faults[place].extend(faults)

    def next_fault(self, place: str) -> str:
        """Take the fault of this visit."""
        return self.faults[place].popleft() if self.faults[place] else "ok"

    def post(
        self, key: Key, values: Record, *, late: timedelta = timedelta(), hidden: timedelta = timedelta()
    ) -> Posted:
        """Save a record; it lands after `late` and the list shows it `hidden` after that."""
        lands_at = self.clock.now() + late
        made = Posted(key, dict(values), lands_at, lands_at + hidden, len(self.records) + 1)
        self.records.append(made)
        return made

    def pass_time(self, by: timedelta) -> None:
        """Let time pass, where time is the test's."""
        if isinstance(self.clock, ManualClock):
            self.clock.advance(by)

    def shown(self, key: Key) -> list[Posted]:
        """Return what the list shows of a key at present."""
        return [record for record in self.records if record.key == key and record.shown_at <= self.clock.now()]

    def count(self, place: str) -> int:
        """Return how often hands did something."""
        return self.log.count(place)


@dataclass
class SimulatedHands:
    """`engine.ports.Hands` over the simulated application."""

    app: Application
    workflow: Workflow
    record: dict[str, Any] = field(default_factory=dict)
    app_version: str | None = None
    item: ItemView | None = None
    page: str = "blank"
    form: Record = field(default_factory=dict)
    open_record: Posted | None = None

    async def begin(self, item: ItemView) -> None:
        """Log in and forget everything of the page."""
        await self._visit("begin")
        self.item, self.record, self.page, self.form, self.open_record = item, {}, "home", {}, None

    async def perform(self, step: Step) -> None:
        """Open an empty form, fill it, or read the record that is open."""
        await self._visit(step.kind)
        match step.kind:
            case "open":
                self.page, self.form, self.open_record = "form", {}, None
            case "fill":
                self._expect(self.page == "form", "the form is not open")
                self.form = dict(self._item.payload)
            case "read":
                self._read(step.params.fields)
        self.app.kill(f"after {step.kind}")

    async def aim(self, commit: Step) -> None:  # noqa: ARG002 - the form has one button
        """Find the button; an empty form has none that can be clicked."""
        await self._visit("aim")
        self._expect(self.page == "form" and bool(self.form), "the Save button is disabled")

    async def send(self, commit: Step, permit: Callable[[], None], limit: timedelta) -> Receipt:
        """Click once."""
        fault = self.app.next_fault("send")
        self.app.log.append("click")
        self._expect(self.page == "form" and bool(self.form), "the Save button is disabled")
        await asyncio.sleep(0)
        self.app.kill("before the permit")
        if fault == "not_sent":
            raise NotSent("covered", "a banner covers the button")
        if fault == "window_passes":
            self.app.pass_time(self.workflow.app.commits.click_window)
        if fault == "lease_passes":
            self.app.pass_time(timedelta(minutes=2))
        try:
            permit()
        finally:
            self.page = "blocked"
        self.app.log.append("send")
        try:
            self.app.kill("before the commit")
        except Killed:
            if fault == "commit_late":  # the request of a dead client is still under way
                self.app.post(self.key(self._item, commit), self.form, late=self.app.delay)
            raise
        return await self._answer(fault, commit, limit)

    async def _answer(self, fault: str, commit: Step, limit: timedelta) -> Receipt:
        key = self.key(self._item, commit)
        self._before_commit(fault, key)
        if fault != "lost":
            hidden = self.app.delay if fault == "hidden" else timedelta()
            self.open_record = self.app.post(key, self.form, hidden=hidden)
        if fault == "twice":
            self.app.post(key, self.form)
        self.app.kill("after the commit")
        if fault == "hang":
            await asyncio.Event().wait()
        self._after_commit(fault, limit)
        self.page = "record"
        url = f"http://erp.invalid/{len(self.app.records)}"
        return Receipt(url, f"R-{len(self.app.records)}", (SentRequest("POST", url, None, 303),))

    def _before_commit(self, fault: str, key: Key) -> None:
        match fault:
            case "cut_before_commit":
                self._unknown("the connection was cut")
            case "crash_before_commit":
                raise RuntimeError("the driver crashed")
            case "session_lost":
                self._lose_session()
            case "reject":
                raise Rejected("application_rejected", "the total is not allowed", field="total")
            case "commit_late":
                self.app.post(key, self.form, late=self.app.delay)
                self._unknown("no answer yet")

    def _after_commit(self, fault: str, limit: timedelta) -> None:
        match fault:
            case "answer_late":
                self.app.pass_time(limit)
                self._unknown(f"no answer within {limit}")
            case "error_after_commit":
                self._unknown("HTTP 500")
            case "cut_after_commit":
                self._unknown("the connection was cut")
            case "crash_after_commit":
                raise RuntimeError("the driver crashed")

    async def find(self, commit: Step) -> Found:
        """Ask the list for the item's key."""
        fault = await self._visit("find")
        if fault == "alike":
            return Found(0, alike=1)
        shown = self.app.shown(self.key(self._item, commit))
        self.app.kill("after find")
        if len(shown) != 1:
            self.page = "list"
            return Found(len(shown), alike=self.app.alike)
        self.page, self.open_record = "record", shown[0]
        return Found(1, url=f"http://erp.invalid/{shown[0].number}")

    async def listed(self, keys: list[ItemView]) -> dict[int, int]:
        """Count records by key in the list."""
        await self._visit("listed")
        commits = [step for step in self.workflow.steps if step.commit]
        return {view.item_id: max(len(self.app.shown(self.key(view, commit))) for commit in commits) for view in keys}

    async def capture(self, path: Path) -> bool:
        """Write a picture."""
        await self._visit("capture")
        await asyncio.to_thread(path.write_bytes, b"a picture of " + self.page.encode())
        return True

    async def end(self, trace: Path | None) -> None:
        """Let go of the item."""
        await self._visit("end")
        self.item = None
        if trace is not None:
            await asyncio.to_thread(_write_trace, trace)

    @staticmethod
    def key(item: ItemView, commit: Step) -> Key:
        """Return the business key under which a commit's record is found."""
        return str(item.payload["supplier"]), str(item.payload["invoice_no"]), commit.number

    @property
    def _item(self) -> ItemView:
        if self.item is None:
            raise RuntimeError("hands were used before begin")
        return self.item

    async def _visit(self, place: str) -> str:
        fault = self.app.next_fault(place)
        self.app.log.append(place)
        await asyncio.sleep(0)
        self.app.kill(place)
        match fault:
            case "session_lost":
                self._lose_session()
            case "error":
                raise SystemException("element_missing", f"{place}: nothing there")
            case "business":
                raise BusinessException("unknown_choice", f"{place}: there is no such choice")
            case "crash":
                raise RuntimeError(f"{place}: 意外")
            case "socket_timeout":
                raise TimeoutError("socket timed out")
            case "hang":
                await asyncio.Event().wait()
            case "slow":
                self.app.pass_time(timedelta(seconds=20))
        return fault

    def _read(self, names: Iterable[str]) -> None:
        if self.page != "record" or self.open_record is None:
            raise SystemException("element_missing", "no record is open")
        self.record |= {name: self.open_record.values[name] for name in names}

    def _lose_session(self) -> NoReturn:
        self.page, self.form, self.open_record = "login", {}, None
        raise SessionLost("session_lost", "the application asks to log in")

    def _unknown(self, why: str) -> NoReturn:
        raise UnknownOutcome("no_confirmation", why)

    def _expect(self, holds: bool, message: str) -> None:
        if not holds:
            raise SystemException("element_missing", message)


def _write_trace(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("trace.txt", "what was clicked")


@dataclass
class SimulatedOffice:
    """`engine.ports.Office`: one pair of hands a slot."""

    app: Application
    slots: dict[int, Hands] = field(default_factory=dict)

    async def hands(self, workflow: Workflow, slot: int) -> Hands:
        """Return the slot's hands."""
        return self.slots.setdefault(slot, SimulatedHands(self.app, workflow))


class Comparing:
    """`engine.ports.Inspector`: passes what was read back as it was to be entered."""

    def inspect(self, workflow: Workflow, case: Case) -> Verdict:  # noqa: ARG002 - compares every field
        """Compare every field of the contract."""
        wrong = [name for name in case.fields if not equal(case.payload.get(name), case.record.get(name))]
        findings = tuple(Finding("read_back", "mismatch", f"{name} differs", field=name) for name in wrong)
        return Verdict("review" if findings else "pass", findings)
