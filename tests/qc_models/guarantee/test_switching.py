from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc_models.guarantee.switching import Event, Level, Rates, Sampling, step

RATES = Rates()


def walked(events: Iterable[Event], start: Sampling | None = None) -> Sampling:
    """Return the state after events."""
    state = start or Sampling()
    for event in events:
        state = step(state, event)
    return state


NORMAL = walked([Event.CERTIFIED, *[Event.LOT_ACCEPTED] * 5])


def test_nothing_passes_before_a_certificate() -> None:
    assert not Sampling().auto_pass
    assert not walked([Event.LOT_ACCEPTED] * 50).auto_pass
    assert walked([Event.CERTIFIED]).auto_pass


def test_five_good_lots_lead_to_normal_and_fifteen_more_to_reduced() -> None:
    assert (NORMAL.level, NORMAL.floor(RATES)) == (Level.NORMAL, 0.01)
    nearly = walked([Event.LOT_ACCEPTED] * 14, NORMAL)
    assert nearly.level is Level.NORMAL
    reduced = walked([Event.LOT_ACCEPTED], nearly)
    assert (reduced.level, reduced.floor(RATES)) == (Level.REDUCED, 0.005)
    assert walked([Event.LOT_REJECTED], reduced).level is Level.NORMAL


def test_reduced_needs_a_certificate() -> None:
    alarmed = walked([Event.ALARM, *[Event.LOT_ACCEPTED] * 40], NORMAL)
    assert (alarmed.level, alarmed.auto_pass) == (Level.NORMAL, False)


def test_two_of_five_rejected_tighten_and_two_of_six_do_not() -> None:
    bad, good = Event.LOT_REJECTED, Event.LOT_ACCEPTED
    assert walked([bad, good, good, good, bad], NORMAL).level is Level.TIGHTENED
    assert walked([bad, good, good, good, good, bad], NORMAL).level is Level.NORMAL


def test_five_rejected_while_tightened_stop_and_only_a_person_resumes() -> None:
    stopped = walked([Event.LOT_REJECTED] * 5)
    assert stopped.level is Level.STOPPED
    again = walked([Event.CERTIFIED, *[Event.LOT_ACCEPTED] * 20, Event.ALARM], stopped)
    assert (again.level, again.auto_pass) == (Level.STOPPED, False)
    resumed = walked([Event.RESUMED], stopped)
    assert (resumed.level, resumed.certified) == (Level.TIGHTENED, False)


@pytest.mark.parametrize("event", [Event.ALARM, Event.CHANGED])
def test_an_alarm_or_a_change_fails_closed(event: Event) -> None:
    state = step(NORMAL, event, "model 8 is new")
    assert (state.level, state.auto_pass, state.floor(RATES)) == (Level.TIGHTENED, False, 0.1)
    assert state.reason == f"{event.value}: model 8 is new"


def test_drift_tightens_and_keeps_the_certificate() -> None:
    state = step(NORMAL, Event.DRIFT)
    assert (state.level, state.auto_pass) == (Level.TIGHTENED, True)


def test_tired_reviewers_and_a_backlog_block_until_both_are_mended() -> None:
    blocked = walked([Event.CANARIES_BELOW_PLAN, Event.BACKLOG_OVER_SLA], NORMAL)
    assert blocked.blocks == ("backlog", "canaries")
    assert not blocked.auto_pass
    assert not walked([Event.BACKLOG_CLEARED], blocked).auto_pass
    assert walked([Event.BACKLOG_CLEARED, Event.CANARIES_RESTORED], blocked).auto_pass


@given(st.lists(st.sampled_from(list(Event)), max_size=60))
def test_whatever_happens_auto_pass_needs_a_certificate_newer_than_the_last_alarm(events: list[Event]) -> None:
    state = walked(events)
    assert Sampling.from_json(state.to_json()) == state
    if state.auto_pass:
        resets = [at for at, event in enumerate(events) if event in {Event.ALARM, Event.CHANGED}]
        assert Event.CERTIFIED in events[resets[-1] + 1 if resets else 0 :]
        assert state.level is not Level.STOPPED
