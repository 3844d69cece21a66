"""The review desk: what was seen is what is decided, by one person at a time, and written down."""

from __future__ import annotations

import re
from pathlib import Path

from httpx import Response

from engine.ledger import audit_log, reads
from tests.console.web.conftest import Place, Visitor, place_over


def seen(someone: Visitor, item_id: int) -> dict[str, str]:
    """Open an item; return what the form on the page carries."""
    text = someone.get(f"/review/{item_id}").text
    inputs = re.findall(r'<input [^>]*name="([^"]+)"[^>]*?value="([^"]*)"', text)
    return {name: value for name, value in inputs if name != "csrf"}


def decides(someone: Visitor, item_id: int, form: dict[str, str], decision: str, **more: str) -> Response:
    """Send the form."""
    return someone.post(f"/review/{item_id}", **{**form, "decision": decision, **more})


def state(place: Place, item_id: int) -> str:
    """Return the item's state."""
    return reads.item(place.story.database, item_id).item.state


def desk(place: Place, count: int = 3) -> list[int]:
    """Let some items wait; return their ids."""
    place.story.open(count)
    return [place.story.flags() for _ in range(count)]


def test_a_decision_leads_to_the_next_item_and_into_the_audit_log(place: Place) -> None:
    first, second, third = desk(place)
    ana = place.visitor(place.person("ana", "qa_lead"))
    answer = decides(ana, first, seen(ana, first), "accept")
    assert answer.headers["location"].startswith(f"/review/{second}?done=accept")
    answer = decides(ana, second, seen(ana, second), "reject", reason="the supplier says so")
    assert answer.headers["location"].startswith(f"/review/{third}?")
    assert [state(place, item) for item in (first, second, third)] == ["accepted", "rejected", "review"]
    entries = audit_log.entries(place.story.database, actor="ana")
    assert [(entry.action, entry.object) for entry in entries[:2]] == [
        ("review.reject", f"item {second}"),
        ("review.accept", f"item {first}"),
    ]
    assert entries[0].detail["seconds"] >= 0


def test_two_people_are_led_to_different_items_and_told_of_each_other(place: Place) -> None:
    first, second, _ = desk(place)
    ana, ben = (place.visitor(place.person(name, "qa_lead")) for name in ("ana", "ben"))
    assert ana.get("/review/next").headers["location"] == f"/review/{first}"
    assert ben.get("/review/next").headers["location"] == f"/review/{second}"
    assert "ana looks at this item" in ben.get(f"/review/{first}").text
    form = seen(ben, second)
    refused = decides(ben, first, {**form, "attempt": str(first)}, "accept")
    assert refused.status_code == 409
    assert "ana looks at item" in refused.text
    assert state(place, first) == "review"
    place.story.later(minutes=4)
    assert ana.post(f"/review/{first}/hold").status_code == 204
    place.story.later(minutes=4)
    assert ben.post(f"/review/{first}/hold").status_code == 409, "who still looks at it has it"
    place.story.later(minutes=2)
    assert "looks at this item" not in ben.get(f"/review/{first}").text, "who goes away lets go"


def test_a_decision_on_what_was_decided_meanwhile_says_who_and_when(place: Place) -> None:
    first, *_ = desk(place)
    ana, ben = (place.visitor(place.person(name, "qa_lead")) for name in ("ana", "ben"))
    form = seen(ana, first)
    place.story.later(minutes=10)
    decides(ben, first, seen(ben, first), "reject", reason="wrong")
    answer = decides(ana, first, form, "accept")
    assert answer.status_code == 409
    assert re.search(r"it is rejected, decided by ben at 2026-01-05 08:\d\d UTC", answer.text)
    assert state(place, first) == "rejected"


def test_over_the_limit_a_second_person_decides_knowing_that_they_are_the_second(tmp_path: Path) -> None:
    with place_over(tmp_path, four_eyes=100) as place:
        (first,) = desk(place, 1)
        ana, ben = (place.visitor(place.person(name, "qa_lead")) for name in ("ana", "ben"))
        blind = seen(ben, first)
        place.story.later(minutes=6)
        answer = decides(ana, first, seen(ana, first), "accept")
        assert answer.headers["location"] == f"/review?done=second&item={first}", "not led to one's own again"
        assert decides(ben, first, blind, "accept").status_code == 409, "he had not seen that he would be the second"
        assert "ana accepted it" in ben.get(f"/review/{first}").text
        decides(ben, first, seen(ben, first), "accept")
        assert state(place, first) == "accepted"


def test_a_correction_carries_what_was_changed_and_a_wrong_one_changes_nothing(place: Place) -> None:
    first, *_ = desk(place)
    ana = place.visitor(place.person("ana", "qa_lead"))
    form = seen(ana, first)
    assert form["field:total"] == "101.50"
    answer = decides(ana, first, {**form, "field:total": "nonsense"}, "correct")
    assert answer.status_code == 400
    assert 'value="nonsense"' in answer.text, "what was typed is not lost"
    assert "nothing to correct" in decides(ana, first, form, "correct").text
    changed = {**form, "field:total": "99.00", "field:lines[1].amount": "99.00"}
    answer = decides(ana, first, changed, "correct", reason="typed wrong")
    assert "done=correct" in answer.headers["location"]
    [review] = reads.item(place.story.database, first).reviews
    assert review.changes == {"total": "99.00", "lines": [{"description": "螺丝 M8", "amount": "99.00"}]}
    assert state(place, first) == "correcting"


def test_a_rejection_says_why(place: Place) -> None:
    first, *_ = desk(place)
    ana = place.visitor(place.person("ana", "qa_lead"))
    answer = decides(ana, first, seen(ana, first), "reject")
    assert answer.status_code == 400
    assert "a rejection needs a reason" in answer.text
    assert audit_log.entries(place.story.database, action="review.reject") == [], "what was refused did not happen"


def test_the_queue_is_walked_a_page_at_a_time_without_losing_any(place: Place) -> None:
    ids = desk(place, 65)
    ana = place.visitor(place.person("ana", "qa_lead"))
    found: list[int] = []
    path: str | None = "/review"
    while path:
        text = ana.get(path).text
        found += [int(number) for number in re.findall(r'class="row" href="/review/(\d+)"', text)]
        further = re.search(r'href="(/review\?after=[^"]+)"', text)
        path = further[1].replace("&amp;", "&") if further else None
    assert found == ids


def test_whoever_may_have_to_look_again_unknowingly_reads_nothing_of_it_in_the_audit_log(tmp_path: Path) -> None:
    with place_over(tmp_path, second_review=1.0) as place:
        (first,) = desk(place, 1)
        ana = place.visitor(place.person("ana", "qa_lead", "admin"))
        ben = place.visitor(place.person("ben", "qa_lead", "admin"))
        decides(ana, first, seen(ana, first), "reject", reason="wrong")
        for path in ("/audit", "/audit?actor=ana", f"/audit?about=item+{first}", "/audit?action=review.reject"):
            assert "review.reject</a>" in ana.get(path).text
            assert "review.reject</a>" not in ben.get(path).text, path
        decides(ben, first, seen(ben, first), "reject", reason="wrong")
        assert "review.reject</a>" in ben.get("/audit?actor=ana").text
