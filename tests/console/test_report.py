from __future__ import annotations

import io
import json
from pathlib import Path

from rich.console import Console

from console.summary import Progress, summary_table
from engine.errors import UserError
from engine.ledger.facts import facts
from engine.ledger.protocol import Settlement
from engine.ledger.runs import RejectedInput
from engine.metrics import run_report
from tests.console.conftest import StoryDesk, Terminal
from tests.console.story import Story, invoice


def a_run(story: Story) -> int:
    run_id = story.open(3, rejected=[RejectedInput("x.csv:9", ("no key",), {})])
    doubled = story.passes()
    story.dies()
    story.recovers("sent")
    story.flags()
    story.audit({doubled: 2})
    return run_id


def test_a_runs_figures_come_with_their_intervals(story: Story, terminal: Terminal) -> None:
    a_run(story)
    shown = " ".join(terminal("report", "1").stdout.split())
    for part in ("Straight-through rate 33.3", "0.8 to 90.6", "1 of 3", "2 of 3 keys as expected", "1 duplicate"):
        assert part in shown
    for part in ("1 commit(s) in doubt (1 found saved)", "1 source row(s) rejected", "not known yet", "target missed"):
        assert part in shown


def test_json_holds_every_proportion_with_k_n_and_interval(story: Story, terminal: Terminal) -> None:
    a_run(story)
    told = terminal.json("report", "1")
    straight = told["figures"]["straight_through"]
    assert (straight["k"], straight["n"]) == (1, 3)
    assert straight["low"] < straight["value"] < straight["high"]
    assert told["figures"]["quality"]["accuracy"] == {"k": 0, "n": 0, "value": None, "low": None, "high": None}
    assert told["audit"]["duplicates"] == [invoice(1).reference]


def test_truth_makes_the_judge(story: Story, terminal: Terminal, tmp_path: Path) -> None:
    a_run(story)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({invoice(3).reference: [{"field": "iban"}]}), encoding="utf-8")
    told = terminal.json("report", "1", "--truth", str(path))["figures"]["quality"]
    assert (told["judge"], told["recall"]["k"], told["recall"]["n"]) == ("truth", 1, 1)
    assert "against the truth file" in " ".join(terminal("report", "1", "--truth", str(path)).stdout.split())


def test_all_runs_are_told_by_workflow_day_and_run(story: Story, terminal: Terminal) -> None:
    a_run(story)
    story.later(days=20)
    story.open([invoice(9)])
    shown = terminal("report").stdout
    assert "2026-01-05" in shown
    told = terminal.json("report", "--days", "10")
    assert told["figures"]["items"] == 1
    assert terminal.json("report", "--workflow", "payroll")["figures"]["items"] == 0


def test_html_is_of_one_run(story: Story, terminal: Terminal, tmp_path: Path) -> None:
    a_run(story)
    page = tmp_path / "out" / "run.html"
    assert "run.html" in "".join(terminal("report", "1", "--html", str(page)).stdout.split())
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert isinstance(terminal("report", "--html", str(page)).exception, UserError)
    assert isinstance(terminal("report", "99").exception, UserError)


def test_a_summary_names_the_page(story: Story) -> None:
    run_id = a_run(story)
    out = io.StringIO()
    told = run_report(facts(story.database, run_id=run_id), story.workflow)
    Console(file=out, width=100).print(summary_table(told, Path("var/run-1.html")))
    assert "var/run-1.html" in out.getvalue()


def test_progress_counts_what_ended(story: Story) -> None:
    run_id = story.open(3)
    out = io.StringIO()
    desk = StoryDesk(story, errors=Console(file=out, force_terminal=True, width=120))
    with Progress(desk, [run_id]) as progress:
        for outcome in ("passed", "retry", "review"):
            claimed = story.claim()
            story.later(seconds=30)
            progress.settled(claimed, Settlement(outcome))
    assert progress.told == "1 passed, 1 retry, 1 review"
    assert "2/3" in out.getvalue()
    assert "1.3/min" in out.getvalue()


def test_progress_is_silent_where_nobody_looks(story: Story) -> None:
    out = io.StringIO()
    with Progress(StoryDesk(story, errors=Console(file=out)), None) as progress:
        story.open(1)
        progress.settled(story.claim(), Settlement("passed"))
    assert out.getvalue() == ""
