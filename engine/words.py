"""pydantic's errors in the words of the person who wrote the file, each at its place."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic_core import ErrorDetails

from engine.yaml_nodes import Keys
from engine.yaml_source import Document, Problem, suggest, unknown

_SECRET_WORDS = re.compile(
    r"(?:^|[^a-z])(?:password|passwort|passwd|passphrase|passcode|token|secret|pin|otp|totp|api[ _-]?key)s?(?:[^a-z]|$)"
    r"|密码|口令"
)
_BRANCH_ERRORS = {"string_type", "model_type", "dict_type", "list_type", "tuple_type", "none_required", "int_type"}
_KINDS = (
    (bool, "true or false"),
    (int, "the number"),
    (str, "the text"),
    (list, "a list"),
    (dict, "a mapping"),
)


def is_secret_word(name: object) -> bool:
    """Say whether a label or key looks like it names a secret."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", str(name)).casefold()
    return _SECRET_WORDS.search(parted) is not None


def translate(
    document: Document, base: Keys, errors: Iterable[ErrorDetails], model: Any, also: Iterable[str] = ()
) -> list[Problem]:
    """Turn validation errors of the value at `base` into problems; one per place, the most specific one.

    `also` names keys of `base` that are known elsewhere, for the suggestion to an unknown one.
    """
    placed = [(_place(document, base, error["loc"]), error) for error in errors]
    deepest = [
        (path, error)
        for path, error in placed
        if error["type"] not in _BRANCH_ERRORS or not any(_is_closer(path, error, other) for other in placed)
    ]
    first: dict[tuple[Keys, str], Problem] = {}
    for path, error in deepest:
        detail = str(error["loc"][-1]) if error["type"] in {"missing", "extra_forbidden"} else ""
        first.setdefault((path, detail), _problem(document, path, error, model, also))
    return list(first.values())


def _is_closer(path: Keys, error: ErrorDetails, other: tuple[Keys, ErrorDetails]) -> bool:
    """Say whether another error lies at or under this one and tells more than "wrong branch of a union"."""
    other_path, other_error = other
    if other_error is error or other_path[: len(path)] != path:
        return False
    return len(other_path) > len(path) or other_error["type"] not in _BRANCH_ERRORS


def _place(document: Document, base: Keys, loc: tuple[int | str, ...]) -> Keys:
    """Follow an error's location as far as the data goes; names of union branches lead nowhere and are skipped."""
    path = base
    for part in loc:
        data = document.at(path)
        if (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        ):
            path = (*path, part)
    return path


def _problem(document: Document, path: Keys, error: ErrorDetails, model: Any, also: Iterable[str]) -> Problem:
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        known = keys_at(model, error["loc"][:-1]) | (set(also) if len(error["loc"]) == 1 else set())
        return document.problem(path, unknown("key", name, known), "key", key=True)
    if error["type"] == "missing":
        return document.problem(path, f'missing key "{name}"', "key", key=True)
    secret = any(is_secret_word(part) for part in path)
    return document.problem(path, _sentence(error, "this value" if secret else _shown(error["input"])), "value")


def _sentence(error: ErrorDetails, got: str) -> str:
    limit: Mapping[str, Any] = error.get("ctx") or {}
    match error["type"]:
        case "string_type":
            quote = "" if isinstance(error["input"], (list, dict, type(None))) else ": put it in quotes"
            return f"expected a text, got {got}{quote}"
        case "literal_error" | "enum":
            known = re.findall(r"'([^']*)'", str(limit.get("expected")))
            close = suggest(str(error["input"]), known)
            hint = f', did you mean "{close}"?' if close else ";"
            return f"{got} is not allowed{hint} known: {', '.join(known)}"
        case "value_error":
            return str(limit.get("error", error["msg"]))
        case "model_type" | "dict_type" | "model_attributes_type" | "dataclass_type":
            return f"expected a mapping of `key: value`, got {got}"
        case "list_type" | "tuple_type" | "set_type":
            return f"expected a list, got {got}"
        case "string_pattern_mismatch":
            return f"{got} does not have the form {limit.get('pattern')}"
        case "string_too_short" | "too_short":
            return "must not be empty"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            bound, value = next(iter(limit.items()))
            words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
            return f"must be {words[bound]} {value}, got {got}"
    return _wrong_kind(error, got)


def _wrong_kind(error: ErrorDetails, got: str) -> str:
    kinds = {"int": "a whole number", "float": "a number", "decimal": "a number", "bool": "true or false"}
    kind, _, _ = error["type"].partition("_")
    if kind == "date":
        return f"expected a date like 2026-01-31, got {got}"
    if kind in kinds:
        return f"expected {kinds[kind]}, got {got}"
    said = error["msg"].removeprefix("Input ")
    return f"{got} {said[:1].lower()}{said[1:]}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f'"{value[:60]}"'
    if isinstance(value, (list, dict)):
        return next(words for kind, words in _KINDS if isinstance(value, kind))
    return ("true" if value else "false") if isinstance(value, bool) else f"the number {value}"


def keys_at(kind: Any, loc: tuple[int | str, ...]) -> set[str]:
    """Return the keys that a model allows at an error's location."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in {Union, types.UnionType}:
        arms = get_args(kind)
        return set().union(*(keys_at(arm, loc) or keys_at(arm, _past_branch(arm, loc)) for arm in arms))
    if isinstance(kind, type) and issubclass(kind, RootModel):
        return keys_at(kind.model_fields["root"].annotation, loc)
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {info.alias or name: info.annotation for name, info in kind.model_fields.items()}
        if not loc:
            return set(fields)
        return keys_at(fields[str(loc[0])], loc[1:]) if loc[0] in fields else set()
    inner = [arm for arm in get_args(kind) if arm is not Ellipsis]
    return keys_at(inner[-1], loc[1:]) if loc and inner else set()


def _past_branch(arm: Any, loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Drop the name of a union's branch from a location; one that leads nowhere stays too long to match."""
    return loc[1:] if loc and getattr(arm, "__name__", None) == loc[0] else (*loc, "")
