from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from console.html_report import write_run_report
from console.review import build_review
from console.reviewers import add_reviewers
from engine.definition import CheckSpec, Review, Workflow
from engine.errors import UserError
from engine.ledger.reviews import decide
from engine.ports import Case, Finding, Score, Verdict
from engine.reviewers import kappa
from qc_models.canaries import Planted, plant
from qc_models.canary_cli import build_canaries
from qc_models.checks.model import Judgement, ModelParams
from qc_models.checks.read_back import ReadBackParams
from qc_models.countersigner import Countersigner
from tests.console.conftest import StoryDesk, Terminal
from tests.console.story import Story, flag, make_workflow


class NoModel:
    """No definition here names a model."""

    def first_look(self, case: Case) -> tuple[Finding, ...]:
        """See nothing."""
        del case
        return ()

    def judge(self, params: ModelParams, case: Case, review_at: float | None = None) -> Judgement:
        """Say that one was asked for."""
        raise AssertionError(f"{params.name} was asked about {case.reference} at {review_at}")


class Scoring:
    """The product's inspector, with the score that the story's own verdicts carry."""

    def inspect(self, workflow: Workflow, case: Case) -> Verdict:
        """Run the definition's checks."""
        return replace(Countersigner(NoModel()).inspect(workflow, case), score=Score("entry-quality", "1", 0.9, 0.4))


class CanaryDesk(StoryDesk):
    """A desk that can also plant."""

    inspector = Scoring


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    checks = (CheckSpec("read_back", ReadBackParams("all"), 1),)
    review = Review(audit_sample=0, second_review=0.5, four_eyes_over={"total": Decimal(1000)})
    told = Story(tmp_path, replace(make_workflow(), checks=checks, review=review))
    told.open(24)
    for _ in range(12):
        told.passes()
    for _ in range(12):
        told.flags(flag("total", expected="100.50", observed="105.00"))
    yield told
    told.database.close()


@pytest.fixture
def desk(story: Story) -> CanaryDesk:
    return CanaryDesk(story)


def run(desk: CanaryDesk, *arguments: str) -> Any:
    """Run a verb of `reviewers`, `canaries` or `review` as the runner mounts them; errors are raised."""
    app = typer.Typer()
    add_reviewers(app, lambda: desk)
    app.add_typer(build_canaries(lambda: desk), name="canaries")
    app.add_typer(build_review(lambda: desk), name="review")
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    text = result.stdout_bytes.decode("utf-8")
    return json.loads(text) if "--json" in arguments else text


def planted(story: Story, errors: int = 2, controls: int = 0) -> Planted:
    done = plant(story.database, story.workflow, Scoring(), errors=errors, controls=controls, seed=2, who="lead")
    assert done.item_ids
    return done


def skeleton(value: Any) -> Any:
    """Return data with every value replaced by its type, and every list by the shape of its first part."""
    if isinstance(value, dict):
        return {name: skeleton(part) for name, part in value.items()}
    if isinstance(value, list):
        return [skeleton(part) for part in value[:1]]
    return type(value).__name__


def outline(text: str) -> str:
    """Return a rendered page without its values: lines, labels and punctuation."""
    return re.sub(r"[\w./#+-]*\d[\w./#+-]*", "0", text)


def test_a_canary_in_doubt_is_rendered_like_real_doubt(story: Story, desk: CanaryDesk, terminal: Terminal) -> None:
    canary = next(
        one
        for one in planted(story).item_ids
        if run(desk, "review", "show", str(one), "--json")["row"]["reason"] == "not_equal"
    )
    mine, theirs = (run(desk, "review", "show", str(one), "--json") for one in (canary, 13))
    assert skeleton(mine) == skeleton(theirs)
    listed = {row["id"]: row for row in run(desk, "review", "list", "--json")["waiting"]}
    assert skeleton(listed[canary]) == skeleton(listed[13])
    assert "canary" not in json.dumps([mine, listed[canary]]).replace(str(desk.evidence.root), "")
    shown, real = (run(desk, "review", "show", str(one)).splitlines() for one in (canary, 13))
    assert [outline(line) for line in shown[1:2]] == [outline(line) for line in real[1:2]]
    told = terminal.json("items", "show", str(canary))
    known = terminal.json("items", "show", "13")
    assert set(told) == set(known)
    assert told["kind"] == known["kind"]
    assert "canary" not in json.dumps(told)


def test_a_second_look_is_rendered_as_the_first_was(story: Story, desk: CanaryDesk, terminal: Terminal) -> None:
    waiting = [row["id"] for row in run(desk, "review", "list", "--json", "--as", "bo")["waiting"]]
    before = {one: run(desk, "review", "show", str(one), "--as", "bo") for one in waiting}
    story.later(hours=1)
    run(desk, "review", "reject", *map(str, waiting), "--reason", "not ours", "--as", "ana")
    again = [row["id"] for row in run(desk, "review", "list", "--json", "--as", "bo")["waiting"]]
    assert 0 < len(again) < len(waiting)
    assert {one: run(desk, "review", "show", str(one), "--as", "bo") for one in again} == {
        one: before[one] for one in again
    }
    assert run(desk, "review", "list", "--as", "ana") == "0 item(s) wait\n"
    desk.user = "bo"
    told = terminal("items", "show", str(again[0])).stdout
    assert "ana" not in told
    assert "rejected" not in told
    assert {row["state"] for row in terminal.json("items", "list")["items"] if row["id"] in again} == {"review"}
    answer = run(desk, "review", "accept", str(again[0]), "--as", "bo")
    assert "accepted" in answer
    assert "rejected" not in answer
    with pytest.raises(UserError, match="does not wait for bo"):
        run(desk, "review", "show", str(again[0]), "--as", "bo")
    dispute = run(desk, "review", "show", str(again[0]), "--as", "cy")
    assert "disputed" in dispute
    assert 'ana: reject "not ours"; bo: accept' in " ".join(dispute.split())


def test_a_correction_that_changes_nothing_says_so(story: Story, desk: CanaryDesk, terminal: Terminal) -> None:
    canary = planted(story).item_ids[0]
    shown = terminal("review", "correct", str(canary), "iban=DE99")
    assert shown.exit_code == 0
    assert "nothing is changed by them" in shown.stdout
    assert desk.worked == []


def test_a_canary_that_is_given_to_the_bots_is_put_away(story: Story, desk: CanaryDesk, terminal: Terminal) -> None:
    canary = planted(story).item_ids[0]
    assert terminal("items", "retry", str(canary), "--reason", "again").exit_code == 0
    assert desk.worked == [[1]], "the run that it is shown under"
    assert canary not in [row["id"] for row in run(desk, "review", "list", "--json")["waiting"]]
    assert {row["state"] for row in run(desk, "canaries", "list", "--json")["canaries"]} == {"cancelled", "review"}
    assert run(desk, "reviewers", "--json")["overall"]["sensitivity"]["n"] == 0


def test_the_reviewers_are_measured(story: Story, desk: CanaryDesk) -> None:
    assert "not known yet" in run(desk, "reviewers")
    said = iter(("reject", "accept", "reject", "accept"))
    for errors, controls in ((1, 0), (1, 0), (0, 1), (0, 1)):
        for one in planted(story, errors, controls).item_ids:
            story.later(seconds=40)
            decide(story.database, one, next(said), "ana", workflow=story.workflow, reason="x")  # type: ignore[arg-type]
    story.later(hours=1)
    for number in range(13, 25):
        decide(story.database, number, "accept", "ana", workflow=story.workflow)
    waiting = [row["id"] for row in run(desk, "review", "list", "--json", "--as", "bo")["waiting"]]
    for place, one in enumerate(waiting):
        decide(story.database, one, "reject" if place == 0 else "accept", "bo", workflow=story.workflow, reason="x")
    decide(story.database, waiting[0], "reject", "cy", workflow=story.workflow, reason="x")
    found = run(desk, "reviewers", "invoice-entry", "--json")
    everybody, ana, bo = found["overall"], found["reviewers"][0], found["reviewers"][1]
    assert (ana["sensitivity"]["k"], ana["sensitivity"]["n"]) == (1, 2)
    assert (ana["sensitivity"]["low"], ana["sensitivity"]["high"]) == pytest.approx((0.01257912, 0.98742088))
    assert (ana["false_corrections"]["k"], ana["false_corrections"]["n"]) == (1, 2)
    assert sum(one["n"] for one in everybody["by_error"].values()) == 2
    assert everybody["agreement"]["n"] == bo["agreement"]["n"] == len(waiting)
    assert everybody["agreement"]["k"] == len(waiting) - 1
    assert (ana["overruled"], bo["overruled"], everybody["overruled"]) == (1, 0, 1)
    assert (ana["reviewer"], ana["median_seconds"]) == ("ana", 0.0)
    assert "40" not in run(desk, "reviewers")
    assert "planted error" in run(desk, "reviewers")
    with pytest.raises(UserError, match="payroll has no run"):
        run(desk, "reviewers", "payroll")


def test_kappa_is_cohens() -> None:
    pairs = [(True, True)] * 3 + [(True, False)] * 2 + [(False, False)] * 9 + [(False, True)]
    assert kappa(pairs) == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))
    assert kappa([]) is None
    assert kappa([(True, True)]) is None


def test_canaries_are_planted_and_listed_by_those_who_measure(desk: CanaryDesk) -> None:
    done = run(desk, "canaries", "plant", "invoice-entry", "--count", "1", "--controls", "1", "--seed", "4", "--json")
    assert done == {"planted": 2, "asked": 2, "seed": 4}
    told = run(desk, "canaries", "plant", "invoice-entry", "--count", "2")
    assert "1 of 2 planted" in told
    assert "no more may wait" in told
    rows = run(desk, "canaries", "list", "--json")["canaries"]
    assert {row["error"] is None for row in rows} == {True, False}
    assert "control" in run(desk, "canaries", "list")
    with pytest.raises(UserError, match="payroll has no run"):
        run(desk, "canaries", "plant", "payroll")


def test_reports_and_exports_do_not_know_of_canaries(story: Story, terminal: Terminal, tmp_path: Path) -> None:
    def written() -> list[Any]:
        page, table = tmp_path / "run.html", tmp_path / "items.csv"
        write_run_report(story.database, story.evidence, story.workflow, 1, page)
        assert terminal("items", "export", str(table)).exit_code == 0
        return [
            page.read_text(encoding="utf-8"),
            table.read_bytes(),
            terminal("report").stdout,
            terminal.json("report"),
        ]

    before = written()
    for one in planted(story).item_ids:
        decide(story.database, one, "reject", "ana", workflow=story.workflow, reason="wrong")
    assert written() == before
    assert isinstance(terminal("report", "2").exception, UserError)
