"""Rules about the record contract and about everything that names its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.draft import WorkflowDraft
from engine.values import FieldSpec
from engine.yaml_nodes import Keys
from engine.yaml_source import Document, Problem, unknown

_COMPARABLE = frozenset({"integer", "decimal", "money", "date"})
_ONLY_FOR = {"columns": "table", "min_rows": "table", "options": "choice", "currency": "money"}


def check_contract(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`field`: what a field says about itself fits its type and can be met."""
    for name, spec in workflow.file.fields.items():
        yield from _field(workflow.document, ("fields", name), spec)


def _field(document: Document, path: Keys, spec: FieldSpec) -> Iterator[Problem]:
    for key, type_ in _ONLY_FOR.items():
        if key in spec.model_fields_set and spec.type != type_:
            message = f"`{key}` belongs to fields of type {type_}, not {spec.type}"
            yield document.problem((*path, key), message, "field", key=True)
    if spec.type == "table" and not spec.columns:
        yield document.problem(path, "a table field needs `columns`", "field", key=True)
    yield from _bounds(document, path, spec)
    if spec.pattern is not None:
        try:
            re.compile(spec.pattern)
        except re.error as error:
            message = f"the pattern is not a regular expression: {error}"
            yield document.problem((*path, "pattern"), message, "field")
    for name, column in (spec.columns or {}).items():
        if column.type == "table":
            yield document.problem((*path, "columns", name), "a table cannot hold a table", "field", key=True)
        yield from _field(document, (*path, "columns", name), column)


def _bounds(document: Document, path: Keys, spec: FieldSpec) -> Iterator[Problem]:
    for key, bound in (("min", spec.min), ("max", spec.max)):
        if bound is None:
            continue
        if spec.type not in _COMPARABLE:
            yield document.problem((*path, key), f"a {spec.type} field has no `{key}`", "field", key=True)
        elif hasattr(bound, "year") != (spec.type == "date"):
            kind = "a date like 2026-01-31" if spec.type == "date" else "a number"
            yield document.problem((*path, key), f"`{key}` of a {spec.type} field must be {kind}", "field")
    low: Any = spec.min
    high: Any = spec.max
    if low is not None and high is not None and type(low) is type(high) and low > high:
        yield document.problem((*path, "max"), f"no value fits: max {high} is less than min {low}", "field")


def check_reads(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`field`, `read`: what is read is a field or says its type, and has a name of its own."""
    document = workflow.document
    for name, steps in workflow.lists():
        first: dict[str, int] = {}
        for step in (step for step in steps if step.read):
            path: Keys = (name, step.number - 1, step.kind)
            written = document.at(path)
            for read, how in (written if isinstance(written, dict) else {}).items():
                if read in first:
                    message = f'"{read}" is read twice, first in line {first[read]}; a name is read once'
                    yield document.problem((*path, read), message, "read", key=True)
                first.setdefault(read, document.marks[*path, read].key_line)
                yield from _read(workflow, (*path, read), how)


def _read(workflow: WorkflowDraft, path: Keys, how: object) -> Iterator[Problem]:
    name = str(path[-1])
    names = _names(workflow)
    typed = isinstance(how, dict) and "type" in how
    if name not in names and not typed:
        message = unknown("field", name, names) + "; a value outside the contract needs a `type`"
        yield workflow.document.problem(path, message, "field", key=True)
    spec = workflow.file.fields.get(name)
    columns = how.get("columns") if isinstance(how, dict) else None
    if spec is not None and isinstance(columns, dict):
        for column in columns.keys() - (spec.columns or {}).keys():
            message = unknown(f'column of "{name}"', column, spec.columns or {})
            yield workflow.document.problem((*path, "columns", column), message, "field", key=True)


def check_checks(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`field`: checks name fields of the contract, `read_back` only what is read; `model`: there is one at most."""
    entries = workflow.document.at(("checks",))
    models = 0
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        judges = isinstance(entry, dict) and "model" in entry
        models += judges
        if judges and models > 1:
            message = "a second model check: an error rate can be proven of what one model lets through, not of two"
            yield workflow.document.problem(("checks", index, "model"), message, "model", key=True)
        if isinstance(entry, dict) and "read_back" in entry:
            yield from _read_back(workflow, ("checks", index, "read_back"))
        if isinstance(entry, dict) and "rule" in entry:
            yield from _rule(workflow, ("checks", index, "rule"))


def _read_back(workflow: WorkflowDraft, path: Keys) -> Iterator[Problem]:
    named = workflow.document.at(path)
    read = _read_names(workflow)
    if not read:
        yield workflow.document.problem(path, "nothing is read back: add a `read` step", "read", key=True)
    for index, name in enumerate(named if isinstance(named, list) else ()):
        if name not in _names(workflow):
            yield workflow.document.problem((*path, index), unknown("field", name, _names(workflow)), "field")
        elif read and name not in read:
            message = f'"{name}" is never read; read are: {", ".join(sorted(read))}'
            yield workflow.document.problem((*path, index), message, "read")


def _rule(workflow: WorkflowDraft, path: Keys) -> Iterator[Problem]:
    written = workflow.document.at(path)
    table = written.get("in") if isinstance(written, dict) else None
    known = _names(workflow) | _columns(workflow.file.fields, table)
    for place, name in workflow.document.texts(path):
        parent, dot, column = name.partition(".")
        columns = _columns(workflow.file.fields, parent)
        if not dot and name not in known:
            yield workflow.document.problem(place, unknown("field", name, known), "field")
        elif dot and parent not in known:
            yield workflow.document.problem(place, unknown("field", parent, known), "field")
        elif dot and column not in columns:
            yield workflow.document.problem(place, unknown(f'column of "{parent}"', column, columns), "field")


def check_review(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`field`: four-eyes limits and bands stand on numbers of the contract, segments on single values of it."""
    for key in ("four_eyes_over", "segments"):
        named = workflow.document.at(("review", key))
        for name, wanted in named.items() if isinstance(named, dict) else ():
            spec = workflow.file.fields.get(name)
            path: Keys = ("review", key, name)
            if name not in _names(workflow):
                yield workflow.document.problem(path, unknown("field", name, _names(workflow)), "field", key=True)
            elif spec is None or (wanted == "each" and spec.type != "table"):
                continue
            elif wanted == "each":
                yield workflow.document.problem(path, f'"{name}" is a table, not a single value', "field", key=True)
            elif spec.type not in _COMPARABLE - {"date"}:
                problem = f'"{name}" is a {spec.type} field, not a number'
                yield workflow.document.problem(path, problem, "field", key=True)


def check_evidence(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`evidence`: payloads are not to be forgotten before the files that hold them too."""
    if "evidence" in workflow.draft.bad:
        return
    evidence = workflow.file.evidence
    if evidence.keep_payload is not None and evidence.keep_payload < evidence.keep:
        days = f"{evidence.keep.total_seconds() / 86400:g}d"
        message = f"the evidence files hold the payload too and are kept {days}: keep it as long, or lower `keep`"
        yield workflow.document.problem(("evidence", "keep_payload"), message, "evidence")


def _names(workflow: WorkflowDraft) -> set[str]:
    written = workflow.document.at(("fields",))
    return set(written) if isinstance(written, dict) else set()


def _columns(fields: Mapping[str, FieldSpec], table: object) -> set[str]:
    spec = fields.get(str(table))
    return set(spec.columns or {}) if spec is not None else set()


def _read_names(workflow: WorkflowDraft) -> set[str]:
    """Return everything that the steps read; a correction reads the same or its own check would say so."""
    found: set[str] = set()
    for step in workflow.steps:
        written = workflow.document.at(("steps", step.number - 1, step.kind)) if step.read else None
        found |= set(written) if isinstance(written, (dict, list)) else set()
    return found
