from __future__ import annotations

import pytest

from engine.errors import UserError
from engine.ledger.runs import NewItem
from tests.console.conftest import StoryDesk, Terminal
from tests.console.story import Story, flag, invoice


def test_items_are_listed_and_filtered(story: Story, terminal: Terminal) -> None:
    story.open(2)
    story.passes()
    story.flags(flag(code="iban_unknown"))

    everything = terminal("items", "list")
    assert everything.exit_code == 0
    assert "东方贸易有限公司/RE-0001" in everything.stdout
    assert "iban_unknown" in everything.stdout
    assert [item["id"] for item in terminal.json("items", "list", "--state", "review")["items"]] == [2]
    assert (
        terminal.json("items", "list", "--reference", "东方")["items"][0]["created_at"] == "2026-01-05T08:00:00+00:00"
    )
    assert [item["id"] for item in terminal.json("items", "list", "--limit", "1")["items"]] == [2]


def test_a_state_that_does_not_exist_is_refused(terminal: Terminal) -> None:
    refused = terminal("items", "list", "--state", "reviewed")
    assert isinstance(refused.exception, UserError)
    assert "there is no state 'reviewed'" in str(refused.exception)


def test_chinese_and_latin_references_align(story: Story, terminal: Terminal) -> None:
    story.open(4)
    lines = [line for line in terminal("items", "list").stdout.splitlines() if "ready" in line]
    from rich.cells import cell_len  # noqa: PLC0415 - the width a terminal gives a text

    assert len({cell_len(line[: line.index("ready")]) for line in lines}) == 1


def test_a_hostile_reference_moves_no_cursor_and_styles_nothing(story: Story, terminal: Terminal) -> None:
    story.open([invoice(1, reference="\x1b[2J[red]A/\u202e1\x9b31m")])
    for verb in (("items", "list"), ("items", "show", "1")):
        shown = terminal(*verb).stdout
        assert "\x1b" not in shown
        assert "\x9b" not in shown
        assert "\u202e" not in shown
        assert "[red]A/" in shown


def test_one_item_is_a_timeline(story: Story, terminal: Terminal) -> None:
    story.open(1)
    story.dies()
    story.recovers("absent")
    shown = terminal("items", "show", "1").stdout
    for part in ("orphaned", "never arrived", "3 commit: send", "4.0 s", "sent 08:02:01", "passed", "P(wrong) 0.010"):
        assert part in shown
    assert shown.index("attempt 1") < shown.index("attempt 2")


def test_findings_and_evidence_are_shown_with_their_seal(story: Story, terminal: Terminal) -> None:
    story.open(1)
    story.flags(flag("total", expected="101.50", observed="110.50"), screenshot=b"\xff\xd8")
    shown = terminal("items", "show", "1").stdout
    detail = terminal.json("items", "show", "1")
    assert "101.50" in shown
    assert "110.50" in shown
    sealed = detail["evidence"][1]
    assert sealed["path"] == "run-000001/item-000001/attempt-1/record.jpg"
    assert sealed["sha256"][:40] in shown
    assert detail["verdicts"][0]["findings"][0]["field"] == "total"
    assert detail["read_backs"]["1"]["total"] == "110.50"


def test_an_item_that_never_ran_is_shown_too(story: Story, terminal: Terminal) -> None:
    story.open([NewItem("bad/1", {"total": "abc"}, "x.csv:2", ("total: 'abc' is not an amount of money",))])
    assert "is not an amount of money" in terminal("items", "show", "1").stdout


def test_retry_gives_items_back_and_works_them(story: Story, desk: StoryDesk, terminal: Terminal) -> None:
    run_id = story.open(2)
    story.flags()
    story.flags()
    done = terminal.json("items", "retry", "1", "2", "1", "--reason", "page was slow")
    assert desk.worked == [[run_id]]
    assert [(item["id"], item["state"]) for item in done["items"]] == [(1, "passed"), (2, "passed")]


def test_retry_ends_with_one_if_a_person_is_needed_again(story: Story, desk: StoryDesk, terminal: Terminal) -> None:
    story.open(1)
    story.flags()
    desk.bot = lambda claimed: story.flags(claimed=claimed)
    assert terminal("items", "retry", "1", "--reason", "again").exit_code == 1


def test_retry_later_leaves_the_work_to_a_worker(story: Story, desk: StoryDesk, terminal: Terminal) -> None:
    story.open(1)
    story.flags()
    result = terminal("items", "retry", "1", "--reason", "again", "--later", "--as", "li")
    assert (result.exit_code, desk.worked) == (0, [])
    assert "ready" in result.stdout
    assert terminal.json("items", "show", "1")["events"][0]["actor"] == "li"


def test_one_refused_retry_does_not_stop_the_others(story: Story, terminal: Terminal) -> None:
    story.open(2)
    story.passes()
    story.flags()
    result = terminal("items", "retry", "1", "2", "99", "--reason", "again")
    assert isinstance(result.exception, UserError)
    assert "item 1 is passed" in str(result.exception)
    assert "no item 99" in str(result.exception)
    assert terminal.json("items", "show", "2")["item"]["state"] == "passed"


@pytest.mark.parametrize("arguments", [("items", "retry", "1"), ("review", "reject", "1")])
def test_a_reason_is_required(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert terminal(*arguments).exit_code == 2
