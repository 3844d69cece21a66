"""A desk whose bots are the story's: real ledger, real evidence, no browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from console.items import build_items
from console.report import build_report
from console.review import build_review
from engine.definition import Workflow
from engine.evidence import EvidenceStore
from engine.ledger import queue
from engine.ledger.database import Database
from tests.console.story import LEASE, Story


@dataclass
class StoryDesk:
    """A person's place at the story's ledger; `work` lets every item of the runs pass."""

    story: Story
    console: Console = field(default_factory=lambda: Console(width=110))
    errors: Console = field(default_factory=lambda: Console(stderr=True))
    user: str = "ana"
    worked: list[list[int]] = field(default_factory=list)
    bot: Callable[[queue.Claim], Any] | None = None

    @property
    def database(self) -> Database:
        """The story's ledger."""
        return self.story.database

    @property
    def evidence(self) -> EvidenceStore:
        """The story's evidence."""
        return self.story.evidence

    def workflow(self, definition_hash: str) -> Workflow:
        """Return the story's one definition."""
        if definition_hash != self.story.workflow.hash:
            raise LookupError(definition_hash)
        return self.story.workflow

    def work(self, run_ids: list[int]) -> None:
        """Let the bot take every item of the runs."""
        self.worked.append(run_ids)
        while claimed := queue.claim(self.database, "worker-1", LEASE, run_ids=run_ids):
            (self.bot or (lambda one: self.story.passes(claimed=one)))(claimed)


@dataclass
class Terminal:
    """The verbs as the runner mounts them."""

    desk: StoryDesk

    def __call__(self, *arguments: str) -> Result:
        """Run a verb."""
        app = typer.Typer()
        for build in (build_items, build_review, build_report):
            app.add_typer(build(lambda: self.desk))
        return CliRunner().invoke(app, list(arguments))

    def json(self, *arguments: str) -> Any:
        """Run a verb with --json; what it prints must be one JSON document and nothing else."""
        result = self(*arguments, "--json")
        return json.loads(result.stdout_bytes.decode("utf-8"))


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    told = Story(tmp_path)
    yield told
    told.database.close()


@pytest.fixture
def desk(story: Story) -> StoryDesk:
    return StoryDesk(story)


@pytest.fixture
def terminal(desk: StoryDesk) -> Terminal:
    return Terminal(desk)
