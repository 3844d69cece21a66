"""The documentation agrees with the product: nothing unnamed, nothing invented, no dead link.

`COUNTERSIGN_UPDATE=1 pytest tests/test_docs.py` writes docs/reference/steps.md anew.
"""

from __future__ import annotations

import os
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import click
import pytest
import typer
from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from bots.locators import Locator
from bots.registry import step_kinds
from engine.ports import CheckKind, StepKind
from qc_models.registry import check_kinds
from runner import app

ROOT = Path(__file__).parents[1]
STEPS = ROOT / "docs" / "reference" / "steps.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "fixtures").rglob("*.md"))]
INTRODUCTION = """\
# Steps and checks

Generated from the registries (`COUNTERSIGN_UPDATE=1 pytest tests/test_docs.py`); edit the docstrings and the
parameters' descriptions instead. `runner.py steps` lists the same in the terminal. Every step may also carry
`standard:` and `limit:`.
"""


def verbs() -> Iterator[tuple[str, ...]]:
    """Yield every verb of the command line, e.g. ("items", "list")."""
    yield from _verbs(typer.main.get_command(app), ())


def _verbs(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    parts: Mapping[str, click.Command] = getattr(command, "commands", {})
    if not parts:
        yield path
    for name, part in parts.items():
        yield from _verbs(part, (*path, name))


def steps_page() -> str:
    """Return the reference page of all steps and checks."""
    groups: dict[str, Mapping[str, StepKind | CheckKind]] = {"Steps": step_kinds(), "Checks": check_kinds()}
    parts = [INTRODUCTION, f"## An element\n\n{(Locator.__doc__ or '').strip()}\n", *_table(Locator.model_fields)]
    for title, kinds in groups.items():
        parts.append(f"## {title}\n")
        parts += [_entry(name, kind) for name, kind in sorted(kinds.items())]
    return "\n".join(parts)


def _entry(name: str, kind: StepKind | CheckKind) -> str:
    lines = [f"### {name}\n", f"{kind.doc.strip()}\n"]
    if issubclass(kind.params, RootModel):
        root = kind.params.model_fields["root"]
        said = f": {root.description}" if root.description else ""
        return "\n".join([*lines, f"Takes {_type(root.annotation)}{said}\n"])
    fields = kind.params.model_fields
    if issubclass(kind.params, Locator):
        lines.append("Takes an [element](#an-element).\n")
        fields = {name: field for name, field in fields.items() if name not in Locator.model_fields}
    return "\n".join([*lines, *_table(fields)])


def _table(fields: Mapping[str, FieldInfo]) -> list[str]:
    rows = [_row(field.alias or name, field) for name, field in fields.items()]
    return ["| parameter | type | meaning |", "|---|---|---|", *rows, ""] if rows else []


def _row(name: str, field: FieldInfo) -> str:
    need = " (required)" if field.is_required() else ""
    said = (field.description or "").replace("|", "\\|").replace("\n", " ")
    return f"| `{name}` | {_type(field.annotation)}{need} | {said} |"


def _type(kind: Any) -> str:
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f"`{part}`" for part in parts)
    if origin in {Union, types.UnionType}:
        return " or ".join(dict.fromkeys(_type(part) for part in parts if part is not type(None)))
    if origin in {list, tuple, set, frozenset}:
        return f"list of {_type(parts[0])}" if parts else "list"
    if origin in {dict, Mapping}:
        return f"mapping of {_type(parts[0])} to {_type(parts[1])}"
    if origin is not None:  # Annotated
        return _type(parts[0])
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Locator:
        said = (kind.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        return said[:1].lower() + said[1:] if said else kind.__name__
    if kind is Locator:
        return "[element](#an-element)"
    names = {
        "Decimal": "number",
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "timedelta": "duration",
    }
    return names.get(getattr(kind, "__name__", str(kind)), getattr(kind, "__name__", str(kind)))


def test_the_steps_page_is_what_the_registries_say() -> None:
    if os.environ.get("COUNTERSIGN_UPDATE"):
        STEPS.write_text(steps_page(), encoding="utf-8")
    assert STEPS.read_text(encoding="utf-8") == steps_page(), "run it again with COUNTERSIGN_UPDATE=1"


def test_every_parameter_is_described() -> None:
    kinds: dict[str, StepKind | CheckKind] = {**step_kinds(), **check_kinds()}
    silent = [
        f"{name}.{key}"
        for name, kind in kinds.items()
        for key, field in kind.params.model_fields.items()
        if not field.description and not issubclass(kind.params, RootModel)
    ]
    assert silent == []


def table_of_readme() -> dict[str, set[str]]:
    """Return the verbs of README's table, each with its sub-verbs."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*(?:\\\|[^|]*)*) \|", text, re.MULTILINE)
    named: dict[str, set[str]] = {}
    for code in (code for row in rows for code in re.findall(r"`([^`]+)`", row)):
        verb, *rest = code.replace("\\|", "|").split()
        parts = (part.split("|") for part in rest if re.fullmatch(r"[a-z|-]+", part))
        named.setdefault(verb, set()).update(*parts)
    return named


def test_the_readme_names_every_verb() -> None:
    named = table_of_readme()
    missing = [" ".join(verb) for verb in verbs() if verb[0] not in named or set(verb[1:]) - named[verb[0]]]
    assert missing == []


def test_the_readme_names_no_verb_that_is_not_there() -> None:
    there: dict[str, set[str]] = {}
    for verb, *rest in verbs():
        there.setdefault(verb, set()).update(rest)
    invented = [
        f"{verb} {parts - there.get(verb, set())}"
        for verb, parts in table_of_readme().items()
        if verb not in there or parts - there[verb]
    ]
    assert invented == []


def test_every_command_in_the_documentation_exists() -> None:
    known = {verb[:count] for verb in verbs() for count in range(1, len(verb) + 1)}
    wrong = []
    for page in PAGES:
        for line in re.findall(r"runner\.py((?: --home \S+)?(?: [a-z]+){1,2})", page.read_text(encoding="utf-8")):
            words = tuple(word for word in re.sub(r" --home \S+", "", line).split())
            group = any(verb[:1] == words[:1] and len(verb) > 1 for verb in known)
            if (words[:2] if group and len(words) > 1 else words[:1]) not in known:
                wrong.append(f"{page.name}: runner.py {' '.join(words)}")
    assert wrong == []


def anchors(page: Path) -> set[str]:
    """Return what a link into a page may name."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        if not aim.exists() or (anchor and anchor not in anchors(aim)):
            dead.append(target)
    assert dead == []
