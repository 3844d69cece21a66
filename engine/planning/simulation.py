"""A discrete-event simulation of slots that take items as `engine.ledger.queue.claim` hands them out; pure, in seconds.

simpy keeps the events in order; a slot that falls free takes the first item by priority, then deadline, then age, of
the applications that may be worked in: sessions, pace, maintenance and breaker hold items back, never the order.
Validated against the closed forms of M/M/1 and M/M/c (A. K. Erlang, 1917) and against small days worked by hand.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import cast

from simpy.core import Environment
from simpy.events import Event

_Place = tuple[int, float, int, int, int, int, int]
"""A place in the queue: first the order (priority, deadline, age, returned before new), then batch, item, attempt."""


@dataclass(frozen=True)
class Limits:
    """What one application allows; every instant in seconds from the start."""

    sessions: int
    pace: float = 0.0
    """Least time between two starts, seconds."""
    opens_at: float = 0.0
    """Nothing is started earlier: the breaker, or the pace after an earlier start."""
    closed: tuple[tuple[float, float], ...] = ()
    """Spans in which nothing is started, in order and apart; what is in work then goes on."""


@dataclass(frozen=True)
class Batch:
    """Items of one run: they come together and stand together."""

    app: str
    arrives: float
    priority: int
    due: float
    """Deadline, seconds from the start; infinity for none."""
    age: int
    """Smaller is older."""
    work: Sequence[float]
    """Seconds of slot time of each item's first attempt."""
    again: Mapping[int, Sequence[tuple[float, float]]] = field(default_factory=dict)
    """By item: wait and seconds of each further attempt."""
    held: int = 0
    """So many of the first items are in work at the start; `work` says how long they still take."""
    weight: float = 1
    """Items that one entry of `work` stands for; it counts for the pace only."""


@dataclass
class Outcome:
    """What a simulated time came to."""

    ended: list[float]
    """When each batch's last item ended; infinity if that did not happen before the end."""
    left: list[int]
    """Entries of each batch that had not ended."""
    busy: float = 0.0
    """Seconds that slots worked."""
    first_start: float = math.inf
    last_end: float = 0.0
    starts: int = 0
    waited: float = 0.0
    """Sum over all first attempts of start minus arrival, seconds."""
    busy_in: dict[str, float] = field(default_factory=dict)
    """The same by application."""


class _Queue:
    """What waits for one application."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.heap: list[_Place] = []
        self.in_work = 0
        self.not_before = limits.opens_at
        self.closed_from = [start for start, _ in limits.closed]
        self.wakes_at = -1.0

    def opens_at(self, now: float) -> float:
        """Return when an item may be started next, as far as time decides."""
        at = max(now, self.not_before)
        span = bisect_right(self.closed_from, at) - 1
        while span >= 0 and span < len(self.limits.closed) and self.limits.closed[span][1] > at:
            at = self.limits.closed[span][1]
            span = bisect_right(self.closed_from, at) - 1
        return at


class _Slots:
    """The slots, the queues and the events between them."""

    def __init__(self, batches: Sequence[Batch], limits: Mapping[str, Limits], slots: int, until: float) -> None:
        self.env = Environment()
        self.batches = batches
        self.free = slots
        self.wanted: set[int] = set()
        self.until = until
        self.queues = {app: _Queue(limits[app]) for app in dict.fromkeys(batch.app for batch in batches)}
        self.next_item = [batch.held for batch in batches]
        self.outcome = Outcome(
            ended=[math.inf if batch.work else batch.arrives for batch in batches],
            left=[len(batch.work) for batch in batches],
        )
        for number, batch in enumerate(batches):
            for item in range(batch.held):
                self._work((0, 0.0, 0, 0, number, item, 0), batch.work[item])
            if len(batch.work) > batch.held:
                place = (-batch.priority, batch.due, batch.age, 1, number, 0, 0)
                self._after(batch.arrives, place, self._arrives)

    def run(self, wanted: set[int]) -> Outcome:
        """Go on until the wanted batches have ended, or the time is over."""
        self.wanted = {number for number in wanted if self.outcome.left[number]}
        while self.wanted and (at := self.env.peek()) <= self.until:
            while self.env.peek() == at:  # all that happens at one instant, before anything is handed out
                self.env.step()
            self._hand_out(float(at))
        return self.outcome

    def _after(self, delay: float, value: object, then: Callable[[Event], None]) -> None:
        self.env.timeout(delay, value).callbacks.append(then)

    def _arrives(self, event: Event) -> None:
        place = cast("_Place", event.value)
        heappush(self.queues[self.batches[place[4]].app].heap, place)

    def _wakes(self, _event: Event) -> None:
        """Nothing but an instant at which to look again."""

    def _hand_out(self, now: float) -> None:
        while self.free > 0:
            best: _Queue | None = None
            for queue in self.queues.values():
                if not queue.heap or queue.in_work >= queue.limits.sessions:
                    continue
                if best is not None and best.heap[0] < queue.heap[0]:
                    continue
                opens_at = queue.opens_at(now) if queue.closed_from or queue.not_before > now else now
                if opens_at > now:
                    if queue.wakes_at < opens_at < math.inf:
                        # where the event will lie: rounding may put it just before, and then one more has to follow
                        queue.wakes_at = now + (opens_at - now)
                        self._after(opens_at - now, None, self._wakes)
                    continue
                best = queue
            if best is None:
                return
            self._start(best, now)

    def _start(self, queue: _Queue, now: float) -> None:
        place = queue.heap[0]
        number, attempt = place[4], place[6]
        batch = self.batches[number]
        if attempt:
            heappop(queue.heap)
            seconds = batch.again[place[5]][attempt - 1][1]
        else:
            item = self.next_item[number]
            self.next_item[number] = item + 1
            if item + 1 == len(batch.work):
                heappop(queue.heap)
            place = (*place[:5], item, 0)
            seconds = batch.work[item]
            self.outcome.waited += now - batch.arrives
            self.outcome.starts += 1
        queue.not_before = max(queue.not_before, now + queue.limits.pace * batch.weight)
        self._work(place, seconds)

    def _work(self, place: _Place, seconds: float) -> None:
        now, outcome = float(self.env.now), self.outcome
        self.free -= 1
        app = self.batches[place[4]].app
        self.queues[app].in_work += 1
        end = min(now + seconds, self.until)
        outcome.busy += end - now
        outcome.busy_in[app] = outcome.busy_in.get(app, 0.0) + end - now
        outcome.first_start = min(outcome.first_start, now)
        outcome.last_end = max(outcome.last_end, end)
        self._after(seconds, place, self._ends)

    def _ends(self, event: Event) -> None:
        place = cast("_Place", event.value)
        number, item, attempt = place[4:]
        batch = self.batches[number]
        self.free += 1
        self.queues[batch.app].in_work -= 1
        further = batch.again.get(item, ())
        if attempt < len(further):
            back = (-batch.priority, batch.due, batch.age, 0, number, item, attempt + 1)
            self._after(further[attempt][0], back, self._arrives)
            return
        self.outcome.left[number] -= 1
        if not self.outcome.left[number]:
            self.outcome.ended[number] = float(self.env.now)
            self.wanted.discard(number)


def simulate(
    batches: Sequence[Batch],
    limits: Mapping[str, Limits],
    slots: int,
    *,
    until: float = math.inf,
    wanted: set[int] | None = None,
) -> Outcome:
    """Simulate slots over batches of items; the same arguments give the same outcome.

    Args:
        batches: what there is to do; an item's age is its batch's.
        limits: of every application that a batch names.
        slots: items in work at the same time, over all workers.
        until: seconds from the start at which the simulation is broken off.
        wanted: stop when these batches (by place in `batches`) have ended; by default all.
    """
    return _Slots(batches, limits, slots, until).run(set(range(len(batches))) if wanted is None else wanted)
