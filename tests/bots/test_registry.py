"""What every step keeps to, whoever adds it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import bots.steps
from bots.office import BotOffice
from bots.registry import STEPS, step_kinds
from engine.errors import SystemException
from tests.bots.house import Pages, application, item, step, workflow

LACKING: dict[str, Any] = {
    "open": "/nowhere",
    "fill": {"Gone": "x"},
    "rows": {"table": "Gone", "each": "${item.lines}", "columns": {"A": "${row.a}"}},
    "choose": {"Gone": "x"},
    "check": "Gone",
    "click": {"button": "Gone"},
    "expect": "Gone",
    "wait_for": "Gone",
    "read": {"gone": {"field": "Gone"}},
    "download": {"click": {"link": "Gone"}, "to": "gone"},
}
"""Of each step that needs something of the page, one that is not there."""
FREE = {"press", "screenshot", "reconcile"}


def test_every_step_function_is_in_the_registry() -> None:
    named = set(STEPS.values())
    for module in pkgutil.iter_modules(bots.steps.__path__):
        source = importlib.import_module(f"bots.steps.{module.name}")
        for name, function in inspect.getmembers(source, inspect.iscoroutinefunction):
            if function.__module__ == source.__name__ and not name.startswith("_"):
                assert function in named, f"bots/steps/{module.name}.py: {name} is not in STEPS"


def test_every_step_has_a_test_of_what_it_does_when_something_is_missing() -> None:
    assert LACKING.keys() | FREE == STEPS.keys()


@pytest.mark.parametrize("name", step_kinds())
def test_a_step_says_what_it_does_and_knows_its_parameters(name: str) -> None:
    kind = step_kinds()[name]
    assert kind.doc.endswith(".")
    assert kind.params.model_config.get("frozen")
    for field, about in kind.params.model_fields.items():
        assert field == "root" or about.description, f"{name}.{field} has no description"
    if "root" not in kind.params.model_fields:
        with pytest.raises(ValidationError):
            kind.params.model_validate({"surprise": 1})


@pytest.mark.parametrize("name", LACKING)
@pytest.mark.asyncio(loop_scope="session")
async def test_a_step_that_misses_its_element_is_a_system_exception(
    office: BotOffice, pages: Pages, slot: int, tmp_path: Path, name: str
) -> None:
    pages.show("<p>Nothing here</p>")
    hands = await office.hands(workflow(application(pages.url)), slot)
    await hands.begin(item({}, tmp_path, {}))
    hands.bot.scope.item["lines"] = [{"a": "1"}]
    await hands.perform(step("open", "/", limit=10))
    for limit in (0.4, 2, 10):  # a busy machine gets more time, and takes it only then
        with pytest.raises(SystemException) as caught:
            await hands.perform(step(name, LACKING[name], limit=limit))
        if caught.value.code != "step_timeout":
            break
    assert caught.value.code in {"element_missing", "page_error"}
