"""pydantic's errors in the words of the person who wrote the file, each at its place."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic_core import ErrorDetails

from engine.yaml_nodes import Keys
from engine.yaml_source import Document, Problem, suggest, unknown

_SECRET_WORDS = re.compile(
    r"(?:^|[^a-z])(?:password|passwort|passwd|passphrase|passcode|token|secret|pin|otp|totp|api[ _-]?key)s?(?:[^a-z]|$)"
    r"|密码|口令"
)
_BRANCH_ERRORS = {"string_type", "model_type", "dict_type", "list_type", "tuple_type", "none_required", "literal_error"}
_KEY_ERRORS = {"missing", "extra_forbidden"}
_WRONG_BRANCH = 100
_EXPECTED = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "date": "a date like 2026-01-31",
    "model": "a mapping of `key: value`",
    "dict": "a mapping of `key: value`",
    "list": "a list",
    "tuple": "a list",
}


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
    placed = [_Placed(*_place(document, base, error), error) for error in errors]
    groups: dict[tuple[Keys, str], list[ErrorDetails]] = {}
    for one in _likely_branches(placed):
        detail = str(one.error["loc"][-1]) if one.error["type"] in _KEY_ERRORS else ""
        groups.setdefault((one.path, detail), []).append(one.error)
    return [_problem(document, path, errors, model, also) for (path, _), errors in groups.items()]


@dataclass(frozen=True)
class _Placed:
    """An error where it belongs; `fork` is the value that fits no branch of a union, `branch` the one tried."""

    path: Keys
    fork: Keys | None
    branch: str
    error: ErrorDetails


def _likely_branches(placed: list[_Placed]) -> list[_Placed]:
    """Of each value that fits no branch of a union, keep the errors of the branch that was probably meant."""
    chosen: dict[Keys, str] = {}
    for fork in {one.fork for one in placed if one.fork is not None}:
        here = [one for one in placed if one.fork == fork]
        if any(one.path != fork or one.error["type"] in _KEY_ERRORS for one in here):
            costs: dict[str, int] = {}
            for one in here:
                cost = _WRONG_BRANCH if one.error["type"] in _BRANCH_ERRORS and one.path == fork else 1
                costs[one.branch] = costs.get(one.branch, 0) + cost
            chosen[fork] = min(costs, key=lambda branch: costs[branch])
    return [one for one in placed if one.fork is None or chosen.get(one.fork, one.branch) == one.branch]


def _place(document: Document, base: Keys, error: ErrorDetails) -> tuple[Keys, Keys | None, str]:
    """Follow an error's location as far as the data goes; the name of a union's branch leads nowhere: a fork."""
    path, fork, branch = base, None, ""
    names_a_key = error["type"] in _KEY_ERRORS
    for number, part in enumerate(error["loc"], start=1):
        data = document.at(path)
        if (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        ):
            path = (*path, part)
        elif fork is None and not (names_a_key and number == len(error["loc"])):
            fork, branch = path, str(part)
    return path, fork, branch


def _problem(document: Document, path: Keys, errors: list[ErrorDetails], model: Any, also: Iterable[str]) -> Problem:
    error = errors[0]
    name = str(error["loc"][-1]) if error["loc"] else ""
    if error["type"] == "extra_forbidden":
        known = keys_at(model, error["loc"][:-1]) | (set(also) if len(error["loc"]) == 1 else set())
        return document.problem(path, unknown("key", name, known), "key", key=True)
    if error["type"] == "missing":
        return document.problem(path, f'missing key "{name}"', "key", key=True)
    secret = any(is_secret_word(part) for part in path)
    got = "this value" if secret else _shown(document.at(path))
    kinds = list(dict.fromkeys(filter(None, (_expected(one) for one in errors))))
    message = f"expected {' or '.join(kinds)}, got {got}" if len(kinds) > 1 else _sentence(error, got)
    if "a text" in kinds and isinstance(document.at(path), (int, Decimal)):
        message += ": put it in quotes"
    return document.problem(path, message, "value")


def _sentence(error: ErrorDetails, got: str) -> str:
    limit: Mapping[str, Any] = error.get("ctx") or {}
    match error["type"]:
        case "literal_error" | "enum":
            known = re.findall(r"'([^']*)'", str(limit.get("expected")))
            close = suggest(str(error["input"]), known)
            hint = f', did you mean "{close}"?' if close else ";"
            return f"{got} is not allowed{hint} known: {', '.join(known)}"
        case "value_error":
            return str(limit.get("error", error["msg"]))
        case "string_pattern_mismatch":
            return f"{got} does not have the form {limit.get('pattern')}"
        case "string_too_short" | "too_short":
            return "must not be empty"
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than":
            bound, value = next(iter(limit.items()))
            words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
            return f"must be {words[bound]} {value}, got {got}"
    if expected := _expected(error):
        return f"expected {expected}, got {got}"
    said = error["msg"].removeprefix("Input ")
    return f"{got} {said[:1].lower()}{said[1:]}"


def _expected(error: ErrorDetails) -> str | None:
    """Return what kind of value was expected, where that is what is wrong."""
    if error["type"] in {"value_error", "literal_error"}:
        return None
    kind, _, what = error["type"].partition("_")
    return _EXPECTED.get(kind) if what.startswith(("type", "parsing", "from", "attributes", "required")) else None


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f'"{value[:60]}"'
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
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
