"""Rules about commits: what would send twice, or could never be proved, does not load."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definition import Segment, Step, segments
from engine.draft import UNKNOWN, AppDraft, WorkflowDraft
from engine.yaml_nodes import Keys
from engine.yaml_source import Problem


def check_commits(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`commit`: says how its record is found again, or that a person looks whenever it is unclear; never neither."""
    for name, steps in workflow.lists():
        for step in (step for step in steps if step.commit):
            path: Keys = (name, step.number - 1, step.kind)
            written = workflow.document.at(path)
            if not isinstance(written, dict):
                continue
            if not written.get("find") and "in_doubt" not in written:
                message = "a commit needs `find`, or `in_doubt: review` written out: else a lost answer is a guess"
                yield workflow.document.problem(path, message, "commit", key=True)
            if written.get("find") and "in_doubt" in written:
                message = "`in_doubt` is for commits without `find`: with it the application is asked"
                yield workflow.document.problem((*path, "in_doubt"), message, "commit", key=True)


def check_correction(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`commit`: a correction that saves nothing corrects nothing."""
    steps = workflow.correction
    if steps and not any(step.commit or step.kind == UNKNOWN for step in steps):
        yield workflow.document.problem(("correction",), "a correction needs a commit", "commit", key=True)


def check_segments(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`segment`: work up to a commit begins with `open`, because it begins again from there after a failure."""
    for name, steps in workflow.lists():
        for segment in segments(steps):
            first = _first(segment)
            if first.kind not in {"open", UNKNOWN}:
                message = f"must begin with `open`, not `{first.kind}`: after a failure the work starts here again"
                yield workflow.document.problem((name, first.number - 1), message, "segment")


def check_reads_follow(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`commit`: each is read back before the next one; without checks a read is not needed."""
    for name, steps in workflow.lists():
        sent: Step | None = None
        was_read = False
        for step in steps:
            if step.commit and sent is not None:
                message = "a second commit without `open` in between; each begins on a page of its own"
                yield workflow.document.problem((name, step.number - 1, step.kind), message, "commit", key=True)
            if step.commit:
                sent, was_read = step, False
            was_read = was_read or step.read
            if step.kind in {"open", UNKNOWN}:
                yield from _unread(workflow, name, sent, was_read or step.kind == UNKNOWN)
                sent = None
        yield from _unread(workflow, name, sent, was_read)


def _unread(workflow: WorkflowDraft, name: str, sent: Step | None, was_read: bool) -> Iterator[Problem]:
    if sent is not None and not was_read and workflow.document.at(("checks",)):
        message = "nothing is read back after this commit, so the checks have nothing to look at: add a `read`"
        yield workflow.document.problem((name, sent.number - 1, sent.kind), message, "commit", key=True)


def check_login_steps(app: AppDraft) -> Iterator[Problem]:
    """`commit`, `segment`: a login begins with `open` and commits nothing."""
    place: Keys = ("session", "login")
    for step in (step for step in app.login if step.commit):
        message = "a login cannot hold a commit: it is repeated whenever the session is lost"
        yield app.draft.document.problem((*place, step.number - 1, step.kind), message, "commit", key=True)
    if app.login and app.login[0].kind not in {"open", UNKNOWN}:
        message = f"must begin with `open`, not `{app.login[0].kind}`: a session may be lost on any page"
        yield app.draft.document.problem((*place, 0), message, "segment")


def check_time_for_commit(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`time`: an item's limit leaves room for the send; else the gate would never open."""
    if workflow.app is None or "time" in workflow.draft.bad or "commits" in workflow.app.draft.bad:
        return
    commits = workflow.app.file.commits
    needed = commits.click_window + commits.submit_timeout
    limit = workflow.file.time.limit
    if any(step.commit for _, steps in workflow.lists() for step in steps) and limit <= needed:
        message = (
            f"an item's limit of {limit.total_seconds():g}s leaves no room for a commit, "
            f"which takes up to {needed.total_seconds():g}s in this application"
        )
        yield workflow.document.problem(("time", "limit"), message, "time")


def _first(segment: Segment) -> Step:
    first: tuple[Step | None, ...] = (*segment.fill, segment.commit)
    return next(step for step in first if step is not None)
