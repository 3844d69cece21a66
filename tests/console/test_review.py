from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import UserError
from tests.console.conftest import StoryDesk, Terminal
from tests.console.story import Story, flag, invoice, make_workflow


@pytest.fixture
def audited(tmp_path: Path) -> Story:
    return Story(tmp_path, make_workflow(audit_sample=1.0, four_eyes=1000))


def test_what_waits_is_listed_with_its_reason(story: Story, terminal: Terminal) -> None:
    story.open(2)
    story.flags(flag("iban"), flag("total", code="sum"))
    story.later(minutes=5, seconds=20)
    shown = terminal("review", "list")
    assert shown.exit_code == 0
    for part in ("东方贸易有限公司", "not_equal", "iban, total", "5 min"):
        assert part in shown.stdout
    waiting = terminal.json("review", "list")["waiting"]
    assert waiting[0]["findings"][1]["code"] == "sum"
    assert waiting[0]["suspicious"] == ["iban", "total"]
    assert waiting[0]["attempt_id"] == 1


def test_what_two_checks_say_alike_is_read_once(story: Story, terminal: Terminal) -> None:
    story.open(1)
    story.flags(flag("iban"), flag("iban"))
    [waits] = terminal.json("review", "list")["waiting"]
    assert len(waits["findings"]) == 2
    assert waits["message"] == waits["findings"][0]["message"]


def test_an_empty_queue_says_so(story: Story, terminal: Terminal) -> None:
    story.open(1)
    assert terminal("review", "list").stdout == "0 item(s) wait\n"
    assert terminal.json("review", "list") == {"waiting": []}


def test_items_are_accepted_and_rejected_in_one_go(story: Story, terminal: Terminal) -> None:
    story.open(3)
    for _ in range(3):
        story.flags()
    accepted = terminal.json("review", "accept", "1", "2", "--reason", "checked", "--as", "李娜")
    assert [one["state"] for one in accepted["reviewed"]] == ["accepted", "accepted"]
    assert terminal("review", "reject", "3", "--reason", "not ours").exit_code == 0
    decided = terminal.json("items", "show", "1")["reviews"][0]
    assert (decided["reviewer"], decided["reason"]) == ("李娜", "checked")
    assert terminal.json("items", "show", "3")["reviews"][0]["reviewer"] == "ana"


def test_one_refused_decision_does_not_stop_the_others(story: Story, terminal: Terminal) -> None:
    story.open(2)
    story.passes()
    story.flags()
    result = terminal("review", "accept", "1", "2")
    assert isinstance(result.exception, UserError)
    assert "item 1 does not wait for a review" in str(result.exception)
    assert terminal.json("items", "show", "2")["item"]["state"] == "accepted"


def test_four_eyes_ask_for_a_second_person(audited: Story) -> None:
    terminal = Terminal(StoryDesk(audited))
    audited.open([invoice(1, total=5000)])
    audited.flags()
    first = terminal("review", "accept", "1")
    assert first.exit_code == 1
    assert "a second person" in first.stdout
    assert "accepted by ana" in " ".join(terminal("review", "list").stdout.split())
    assert terminal("review", "accept", "1", "--as", "li").exit_code == 0


def test_a_correction_is_typed_and_made_at_once(story: Story, desk: StoryDesk, terminal: Terminal) -> None:
    story.open(1)
    story.flags()
    done = terminal.json(
        "review", "correct", "1", "total=119.5", "lines[1].amount=119.50", "invoice_date=2026-02-01", "--reason", "typo"
    )
    assert desk.worked == [[2]]
    assert [item["state"] for item in done["items"]] == ["corrected", "passed"]
    payload = terminal.json("items", "show", "2")["payload"]
    assert (payload["total"], payload["invoice_date"]) == ("119.50", "2026-02-01")
    assert payload["lines"] == [{"description": "螺丝 M8", "amount": "119.50"}]
    assert terminal.json("items", "show", "1")["reviews"][0]["changes"]["total"] == "119.50"


def test_a_correction_that_is_doubted_again_needs_a_person(story: Story, desk: StoryDesk, terminal: Terminal) -> None:
    story.open(1)
    story.flags()
    desk.bot = lambda claimed: story.flags(claimed=claimed)
    result = terminal("review", "correct", "1", "iban=DE99")
    assert result.exit_code == 1
    assert "correcting" in result.stdout


def test_a_correction_may_wait_for_a_worker(story: Story, desk: StoryDesk, terminal: Terminal) -> None:
    story.open(1)
    story.flags()
    result = terminal("review", "correct", "1", "iban=DE99", "--later")
    assert (result.exit_code, desk.worked) == (0, [])
    assert "correction item 2 waits for a worker" in result.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("totl=5", 'did you mean "total"?'),
        ("total", "write field=value"),
        ("total=abc", "total: "),
        ("total=-5", "total: "),
        ("supplier=", "supplier: "),
        ("invoice_no=a b", "invoice_no: "),
        ("lines=7", "lines is a table"),
        ("lines[2].amount=7", "there is no lines[2]"),
        ("lines[0].amount=7", "there is no lines[0]"),
        ("lines[1].amout=7", 'did you mean "amount"?'),
        ("iban[1].x=7", "iban is no table"),
    ],
)
def test_a_wrong_correction_is_refused_in_words(story: Story, terminal: Terminal, change: str, said: str) -> None:
    story.open(1)
    story.flags()
    result = terminal("review", "correct", "1", change)
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
    assert terminal.json("items", "show", "1")["item"]["state"] == "review"
