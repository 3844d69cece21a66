"""JSON Schema 2020-12 of workflow and application files, for editors; built from the models and the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from engine.definition import Duration, Frozen
from engine.draft import STEP_TIMES
from engine.frame import AppFile, WorkflowFile
from engine.ports import CheckKind, Registry, StepKind

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALAR = ["string", "number", "boolean"]
_TIMES = {"standard": "Standard time of this step, e.g. 5s.", "limit": "Hard limit of this step, e.g. 10s."}


class _Times(Frozen):
    """Only for the schema of a duration."""

    time: Duration


class _WithShorthand(GenerateJsonSchema):
    """Lets a bare scalar stand for a model that has a `shorthand`, as the loader does."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        long = super().model_schema(schema)
        name = getattr(schema["cls"], "shorthand", None)
        if name is None:
            return long
        short = {"type": _SCALAR, "description": f"Short for {{{name}: …}}."}
        return {"anyOf": [long, short], "description": long.get("description", "")}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:  # noqa: ARG002 - `no` is a text in YAML 1.2
        return {"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no", "on", "off"]}]}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:  # noqa: ARG002 - a number in YAML
        return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[+-]?\d+(\.\d+)?$"}]}


def workflow_schema(registry: Registry) -> dict[str, Any]:
    """Return the schema of workflow files with this registry's steps and checks."""
    models: list[type[BaseModel]] = [WorkflowFile, *_params(registry.steps), *_params(registry.checks), _Times]
    refs, definitions = _definitions(models)
    root = definitions.pop(_name(refs[WorkflowFile]))
    steps = {"type": "array", "items": {"$ref": "#/$defs/step"}}
    root["properties"]["steps"] |= steps
    root["properties"]["correction"] |= steps
    root["properties"]["checks"] |= {"type": "array", "items": {"$ref": "#/$defs/check"}}
    root["properties"]["params"]["additionalProperties"] = {"type": _SCALAR}
    definitions["step"] = _one_of(registry.steps, refs, _times(definitions.pop(_name(refs[_Times]))))
    definitions["check"] = _one_of(registry.checks, refs, {})
    return _document("Countersign workflow", root, definitions)


def app_schema(registry: Registry) -> dict[str, Any]:
    """Return the schema of application profiles with this registry's login steps."""
    models: list[type[BaseModel]] = [AppFile, registry.app_extras, *_params(registry.steps), _Times]
    refs, definitions = _definitions(models)
    root = definitions.pop(_name(refs[AppFile]))
    extras = definitions.pop(_name(refs[registry.app_extras]))
    root["properties"] |= extras.get("properties", {})
    root["required"] = sorted({*root.get("required", []), *extras.get("required", [])})
    login = {"type": "array", "items": {"$ref": "#/$defs/step"}, "description": "Steps that sign in."}
    root["properties"]["session"] = _with_login(root["properties"].get("session"), definitions, login)
    definitions["step"] = _one_of(registry.steps, refs, _times(definitions.pop(_name(refs[_Times]))))
    return _document("Countersign application profile", root, definitions)


def _document(title: str, root: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    return {"$schema": DIALECT, **root, "title": title, "$defs": definitions}


def _params(kinds: Mapping[str, StepKind] | Mapping[str, CheckKind]) -> list[type[BaseModel]]:
    return [kind.params for kind in kinds.values()]


def _definitions(models: Iterable[type[BaseModel]]) -> tuple[dict[type[BaseModel], str], dict[str, Any]]:
    wanted = [(model, "validation") for model in dict.fromkeys(models)]
    keys, schema = models_json_schema(cast("Any", wanted), by_alias=True, schema_generator=_WithShorthand)
    return {cast("type[BaseModel]", model): ref["$ref"] for (model, _), ref in keys.items()}, dict(schema["$defs"])


def _name(ref: str) -> str:
    return ref.rpartition("/")[2]


def _times(holder: dict[str, Any]) -> dict[str, Any]:
    return {name: holder["properties"]["time"] | {"description": _TIMES[name]} for name in STEP_TIMES}


def _one_of(
    kinds: Mapping[str, StepKind] | Mapping[str, CheckKind], refs: Mapping[type[BaseModel], str], extra: dict[str, Any]
) -> dict[str, Any]:
    """Return the schema of a mapping with exactly one of these keys, or of a bare name."""
    properties = {name: _parameters(kind, refs[kind.params]) for name, kind in kinds.items()}
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": properties | extra,
                "additionalProperties": False,
                "oneOf": [{"required": [name]} for name in kinds],
            },
            {"enum": list(kinds)},
        ]
    }


def _parameters(kind: StepKind | CheckKind, ref: str) -> dict[str, Any]:
    needs_nothing = not any(info.is_required() for info in kind.params.model_fields.values())
    options = [{"$ref": ref}, *([{"type": "null"}] if needs_nothing else [])]
    return {"anyOf": options, "description": kind.doc}


def _with_login(session: Any, definitions: dict[str, Any], login: dict[str, Any]) -> dict[str, Any]:
    """Add `login` to the session of the bots' own model, which does not know it."""
    if not isinstance(session, dict):
        return {"type": "object", "properties": {"login": login}, "additionalProperties": False}
    ref = session.get("$ref") or next((part["$ref"] for part in session.get("anyOf", []) if "$ref" in part), None)
    if ref is None:
        return session
    target = definitions[_name(ref)]
    definitions[_name(ref)] = target | {"properties": target.get("properties", {}) | {"login": login}}
    return session
