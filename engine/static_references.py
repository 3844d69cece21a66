"""Rules about `${…}`: every name exists, every secret is a reference and stands where it is typed by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.draft import AppDraft, WorkflowDraft
from engine.template import Reference, references
from engine.values import FieldSpec
from engine.words import is_secret_word
from engine.yaml_nodes import Keys
from engine.yaml_source import Document, Problem, unknown

_FREE_TEXT = frozenset({"description", "owner"})
_LISTS = frozenset({"steps", "correction"})
_LOGIN = ("session", "login")
_LABELS = ("field", "placeholder", "name", "test_id", "css", "xpath")


@dataclass(frozen=True)
class _Place:
    """Which names each namespace has at one place; None where any name goes (secrets)."""

    names: Mapping[str, frozenset[str] | None]
    table: str | None = None
    """The table field whose rows `${row.x}` means here."""
    takes_table: bool = False


def check_references(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`reference`: a `${…}` that is malformed, unknown, or has no meaning where it stands."""
    document = workflow.document
    for path, text in document.texts():
        if "${" in text and path[0] not in _FREE_TEXT and path != ("source", "reference"):
            yield from _judge(document, path, text, _place(workflow, path), workflow.file.fields)


def check_app_references(app: AppDraft) -> Iterator[Problem]:
    """`reference`: an application profile knows secrets, and only in a `fill` of its login."""
    document = app.draft.document
    for path, text in document.texts():
        if "${" in text:
            names = {"secret": None} if path[:2] == _LOGIN and path[3:4] == ("fill",) else {}
            yield from _judge(document, path, text, _Place(names), {})


def check_source_reference(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`reference`: the business key is made of fields, and of one at least."""
    text = workflow.document.at(("source", "reference"))
    if not isinstance(text, str) or not _contract_is_known(workflow):
        return
    path: Keys = ("source", "reference")
    try:
        found = references(text)
    except ValueError as error:
        yield workflow.document.problem(path, str(error), "reference")
        return
    if not found:
        yield workflow.document.problem(path, "names no field: every record would have the same key", "reference")
    names = _field_names(workflow)
    for reference in found:
        spec = workflow.file.fields.get(reference.name)
        if reference.namespace:
            message = f"{reference}: write the bare name of a field here, ${{{reference.name}}}"
            yield workflow.document.problem(path, message, "reference")
        elif reference.name not in names:
            yield workflow.document.problem(path, unknown("field", reference.name, names), "reference")
        elif spec is not None and spec.type == "table":
            yield workflow.document.problem(path, f"{reference} is a table and cannot be a key", "reference")


def check_secrets(workflow: WorkflowDraft) -> Iterator[Problem]:
    """`secret`: a value that looks like a password, a PIN or a token is never written out."""
    return _literal_secrets(workflow.document)


def check_app_secrets(app: AppDraft) -> Iterator[Problem]:
    """`secret`: the same for application profiles."""
    return _literal_secrets(app.draft.document)


def _contract_is_known(workflow: WorkflowDraft) -> bool:
    return isinstance(workflow.document.at(("fields",)) or {}, dict)


def _field_names(workflow: WorkflowDraft) -> frozenset[str]:
    """Return all names of the contract, those of broken fields too."""
    written = workflow.document.at(("fields",))
    return frozenset(written) if isinstance(written, dict) else frozenset()


def _place(workflow: WorkflowDraft, path: Keys) -> _Place:
    params = workflow.document.at(("params",))
    names: dict[str, frozenset[str] | None] = {"param": frozenset(params if isinstance(params, dict) else ())}
    if path == ("audit", "open"):
        return _Place(names | {"": frozenset({"page"})})
    names["item"] = _field_names(workflow)
    if path[:2] == ("audit", "key"):
        return _Place(names)
    if path[0] not in _LISTS:
        return _Place({})
    if path[0] == "correction":
        names["record"] = frozenset({"url"})
    if path[2:3] == ("fill",):
        names["secret"] = None
    table = _table_of(workflow.document, path)
    spec = workflow.file.fields.get(table) if table else None
    if spec is not None and spec.columns:
        names["row"] = frozenset(spec.columns)
    return _Place(names, table, takes_table=path[-1] == "each")


def _table_of(document: Document, path: Keys) -> str | None:
    """Return the table whose rows the nearest `each` around a place goes through."""
    for depth in range(len(path) - 1, 0, -1):
        around = document.at(path[:depth])
        each = around.get("each") if isinstance(around, dict) else None
        if isinstance(each, str) and path[depth] != "each":
            try:
                return next((found.name for found in references(each)), None)
            except ValueError:
                return None
    return None


def _judge(
    document: Document, path: Keys, text: str, place: _Place, fields: Mapping[str, FieldSpec]
) -> Iterator[Problem]:
    try:
        found = references(text)
    except ValueError as error:
        yield document.problem(path, str(error), "reference")
        return
    clean = True
    for reference in found:
        message = _unknown_name(reference, place) or _misplaced(reference, text, place, fields)
        if message:
            clean = False
            rule = "secret" if reference.namespace == "secret" else "reference"
            yield document.problem(path, message, rule)
    whole = len(found) == 1 and str(found[0]) == text and found[0].namespace == "item"
    if place.takes_table and clean and not (whole and (found[0].name not in fields or _is_table(found[0], fields))):
        yield document.problem(path, "`each` takes one table field and nothing else, e.g. ${item.lines}", "reference")


def _unknown_name(reference: Reference, place: _Place) -> str | None:
    space, name = reference.namespace, reference.name
    if space == "secret" and space not in place.names:
        return f"{reference} may only stand in a `fill`, where it is typed without leaving a trace"
    if not place.names:
        return f"{reference} has no meaning here"
    if space not in place.names:
        items = place.names.get("item") or frozenset()
        if not space and name in items:
            return f"{reference} has no namespace, did you mean ${{item.{name}}}?"
        if space == "row" and place.table is None:
            return f"{reference} has no meaning outside the `columns` of `rows`"
        if not space and name == "page":
            return f"{reference} only means something in `audit.open`"
        known = [known or "page" for known in place.names]
        return unknown("namespace", space, known) if space else f"{reference} needs a namespace: {', '.join(known)}"
    names = place.names[space]
    if names is None or name in names:
        return None
    what = {"item": "field", "row": f'column of "{place.table}"', "param": "parameter"}.get(space, "name")
    return unknown(what, name, names)


def _misplaced(reference: Reference, text: str, place: _Place, fields: Mapping[str, FieldSpec]) -> str | None:
    alone = reference.offset == 0 and reference.end == len(text)
    if reference.namespace == "secret" and not alone:
        return f"{reference} must stand alone: around other text it could not be kept out of the log"
    if reference.namespace == "record" and reference.offset:
        return f"{reference} is an address and must stand at the start"
    if _is_table(reference, fields) and not place.takes_table:
        return f"{reference} is a table; only `each` of `rows` takes one"
    return None


def _is_table(reference: Reference, fields: Mapping[str, FieldSpec]) -> bool:
    spec = fields.get(reference.name) if reference.namespace == "item" else None
    return spec is not None and spec.type == "table"


def _literal_secrets(document: Document) -> Iterator[Problem]:
    for path, value in document.scalars():
        if path[0] in {"fields", "source"} or path[2:3] == ("read",) or isinstance(value, bool) or not value:
            continue
        if any(is_secret_word(name) for name in _labels(document, path)) and not _comes_from_outside(value):
            message = "a secret must not stand in a definition; store it outside and write ${secret:its_name}"
            yield document.problem(path, message, "secret")


def _labels(document: Document, path: Keys) -> list[object]:
    """Return what a value is called: its key, and beside `value` the locator that says which field it goes into."""
    names: list[object] = [part for part in path[-2:] if isinstance(part, str)] if path[-1] == "value" else [path[-1]]
    around = document.at(path[:-1])
    if path[-1] == "value" and isinstance(around, dict):
        names += [around.get(label) for label in _LABELS]
    return names


def _comes_from_outside(value: object) -> bool:
    try:
        found = references(str(value))
    except ValueError:
        return False
    if len(found) != 1 or found[0].namespace not in {"secret", "item", "row"}:
        return False
    return found[0].offset == 0 and found[0].end == len(str(value))
