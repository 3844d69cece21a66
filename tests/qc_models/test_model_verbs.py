"""The verbs that put a model in service look at its files first."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner, Result

from engine.definition import Workflow
from engine.errors import UserError
from engine.ledger import models
from engine.ledger.database import Database
from qc_models.cli import build_model, register
from qc_models.store import ModelStore
from tests.qc_models.conftest import World
from tests.qc_models.test_artifact import reseal

NAME = "entry-quality"


@dataclass
class Desk:
    """One person's place: a fresh ledger and a folder of models."""

    models_dir: Path
    database: Database
    console: Console = field(default_factory=Console)
    user: str = "ana"

    @property
    def models(self) -> ModelStore:
        """Opened anew at each verb, as the command line does."""
        return ModelStore(
            self.models_dir,
            champion=lambda name: models.champion(self.database, name),
            registered=lambda name, version: models.digest(self.database, name, version),
        )

    def load(self, path: Path) -> Workflow:
        """No verb here reads a definition."""
        raise AssertionError(path)

    def workflow(self, definition_hash: str) -> Workflow:
        """No verb here replays traffic."""
        raise AssertionError(definition_hash)


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Iterator[Desk]:
    """Two versions of one model: the champion, and a second one under another name of its version."""
    shutil.copytree(world.models, tmp_path / "models")
    second = shutil.copytree(world.trained.folder, tmp_path / "models" / NAME / "v2")
    reseal(second, version="v2")
    database = Database(str(tmp_path / "ledger.db"))
    database.upgrade()
    made = Desk(tmp_path / "models", database)
    for version in (world.trained.version, "v2"):
        register(made, made.models.get(NAME, version), {})
    yield made
    database.close()


def run(desk: Desk, *arguments: str) -> Result:
    app = typer.Typer()
    app.add_typer(build_model(lambda: desk), name="model")
    return CliRunner().invoke(app, ["model", *arguments])


def swap(desk: Desk, version: str) -> None:
    """Put another whole and faithful model where the registered one was."""
    reseal(desk.models_dir / NAME / version, created="2001-01-01T00:00:00+00:00")


def test_promote_and_roll_back(desk: Desk, world: World) -> None:
    said = run(desk, "promote", "v2").exception
    assert isinstance(said, UserError)
    assert "has inspected nothing yet" in str(said)
    assert run(desk, "promote", "v2", "--anyway", "trained on the new suppliers").exit_code == 0
    assert models.champion(desk.database, NAME) == "v2"
    assert run(desk, "rollback").exit_code == 0
    assert models.champion(desk.database, NAME) == world.trained.version
    said = run(desk, "rollback").exception
    assert isinstance(said, UserError)
    assert "no previous version to go back to" in str(said)


def test_a_swapped_file_is_neither_served_nor_promoted_nor_rolled_back_to(desk: Desk, world: World) -> None:
    swap(desk, "v2")
    said = run(desk, "promote", "v2").exception
    assert isinstance(said, UserError)
    assert "not the file that was registered" in str(said)
    with pytest.raises(UserError, match="not the file that was registered"):
        desk.models.get(NAME, "v2")
    models.promote(desk.database, NAME, "v2", "ana")
    swap(desk, world.trained.version)
    assert "not the file that was registered" in str(run(desk, "rollback").exception)
    assert models.champion(desk.database, NAME) == "v2"


def test_a_damaged_challenger_is_not_promoted(desk: Desk, world: World) -> None:
    (desk.models_dir / NAME / "v2" / "profile.json").unlink()
    assert "profile.json is missing" in str(run(desk, "promote", "v2").exception)
    assert models.champion(desk.database, NAME) == world.trained.version


def test_a_version_that_nobody_registered_is_named_with_those_that_are(desk: Desk) -> None:
    for verb in (("promote", "v9"), ("promote", "v9", "--anyway", "x"), ("shadow", "v9"), ("shadow", "v9", "--off")):
        said = run(desk, *verb).exception
        assert isinstance(said, UserError)
        assert "there is no version v9 of entry-quality; known: v2" in str(said)


def test_the_runtime_of_models_reports_to_nobody(tmp_path: Path) -> None:
    without = {
        name: value for name, value in os.environ.items() if name not in {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    }
    command = [sys.executable, "-c", "import qc_models.artifact"]
    subprocess.run(command, env={**without, "HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*onnxruntime*")) == [], "a device id that its maker would be told"


def test_a_model_in_another_model_s_folder_is_refused(desk: Desk) -> None:
    shutil.copytree(desk.models_dir / NAME / "v2", desk.models_dir / "invoices" / "v2")
    with pytest.raises(UserError, match="a version of entry-quality, not of invoices"):
        desk.models.get("invoices")


def test_list_and_card_name_what_is_there(desk: Desk) -> None:
    listed = json.loads(run(desk, "list", "--json").stdout)
    assert listed[0]["version"] == "v2"
    assert "auto-rollback" not in run(desk, "list").stdout
    run(desk, "auto-rollback", "on")
    assert "`model auto-rollback` is on" in run(desk, "list").stdout
    assert "# entry-quality" in run(desk, "card", "--version", "v2").stdout
    told = json.loads(run(desk, "card", "--version", "v2", "--json").stdout)
    assert (told["version"], told["segments"]) == ("v2", None)
    assert told["metrics"]["validation"]["recall"]
