"""The JSON Schema that editors use agrees with the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bots.profile import AppExtras
from bots.registry import step_kinds
from engine.json_schema import app_schema, workflow_schema
from engine.ports import Registry
from engine.yaml_source import parse
from qc_models.registry import check_kinds
from tests.engine.toy_registry import toy_registry

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "fixtures" / "workflows"
REAL = Registry(steps=step_kinds(), checks=check_kinds(), app_extras=AppExtras)
SHAPE_PROBLEMS = [
    "unknown-key",
    "missing-keys",
    "bad-values",
    "unknown-step",
    "unknown-check",
    "number-for-text",
    "bad-step-time",
    "everything",
]


def errors(schema: dict[str, Any], path: Path) -> list[str]:
    document, _ = parse(path.name, path.read_text(encoding="utf-8"))
    assert document is not None
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document.data)]


@pytest.mark.parametrize("registry", [REAL, toy_registry()], ids=["real", "toy"])
def test_the_schemas_are_schemas(registry: Registry) -> None:
    for schema in (workflow_schema(registry), app_schema(registry)):
        Draft202012Validator.check_schema(schema)
        assert schema["description"]
        assert all("description" in part for part in schema["properties"].values())


@pytest.mark.parametrize("path", [*FIXTURES.glob("ok/*.yaml"), *ROOT.glob("workflows/*.yaml")], ids=lambda p: p.stem)
def test_good_workflows_are_valid(path: Path) -> None:
    assert errors(workflow_schema(REAL), path) == []


@pytest.mark.parametrize(
    "path", [*FIXTURES.glob("ok/apps/*.yaml"), *ROOT.glob("workflows/apps/*.yaml")], ids=lambda p: p.stem
)
def test_good_applications_are_valid(path: Path) -> None:
    assert errors(app_schema(REAL), path) == []


@pytest.mark.parametrize("name", SHAPE_PROBLEMS)
def test_an_editor_marks_what_has_the_wrong_shape(name: str) -> None:
    assert errors(workflow_schema(REAL), FIXTURES / "broken" / f"{name}.yaml")


def test_an_editor_marks_a_broken_application() -> None:
    found = errors(app_schema(REAL), FIXTURES / "broken" / "apps" / "bank.yaml")
    assert any("max_session" in line for line in found)


def test_every_step_and_check_is_described() -> None:
    schema = workflow_schema(REAL)
    for kinds, name in ((REAL.steps, "step"), (REAL.checks, "check")):
        properties = schema["$defs"][name]["anyOf"][0]["properties"]
        assert set(kinds) <= set(properties)
        assert all(properties[kind]["description"] for kind in kinds)
