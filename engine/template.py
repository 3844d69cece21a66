"""Typed substitution of `${…}` in definitions: names only, nothing that executes.

`${item.x}`, `${row.x}`, `${param.x}`, `${record.url}`, `${secret:x}` and `${page}`; in `source.reference` the bare name
of a field. `$${` stands for a literal `${`. A text that is one reference has the value's own type; around other text
the value is written the way the application writes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from engine.errors import BusinessException
from engine.values import ISO, FieldSpec, Formats, Record, Scalar, Value, display

if TYPE_CHECKING:
    from engine.secrets import Secret

NAMESPACES = ("item", "row", "param", "record", "secret")
_NAME = r"[^\W\d][\w-]*"
_TOKEN = re.compile(r"\$\$\{|\$\{([^{}]*)(\})?")
_INSIDE = re.compile(rf"(?:({_NAME})([.:]))?({_NAME})")
_DOTS = frozenset({".", ".."})


@dataclass(frozen=True)
class Reference:
    """One `${…}` in a text: `item` and `net` for `${item.net}`; a bare name has the namespace `""`."""

    namespace: str
    name: str
    offset: int
    """Where `${` stands, in characters from the start of the text."""
    end: int
    """Where the text goes on behind `}`."""

    def __str__(self) -> str:
        joint = ":" if self.namespace == "secret" else "."
        return "${" + (self.namespace + joint if self.namespace else "") + self.name + "}"


@dataclass(frozen=True)
class Scope:
    """What references may reach at one place; `item` is the payload, `fields` its contract."""

    item: Record
    params: Mapping[str, str]
    secrets: Callable[[str], Secret]
    fields: Mapping[str, FieldSpec]
    formats: Formats = ISO
    record: Mapping[str, str] = field(default_factory=dict)
    row: Record | None = None
    page: int | None = None


def references(text: str) -> tuple[Reference, ...]:
    """Return the references in a text, in order.

    Raises:
        ValueError: a `${` that is no reference; `$${` is how to write one literally.
    """
    return tuple(part for part in _parts(text) if isinstance(part, Reference))


def resolve(text: str, scope: Scope) -> Value | Secret:
    """Return the value of exactly one reference with its type, or the text with every value displayed in it.

    Raises:
        ValueError: malformed, unknown, a table or a secret amid other text (all of which the loader refuses).
    """
    parts = list(_parts(text))
    if len(parts) == 1 and isinstance(parts[0], Reference):
        return _lookup(parts[0], scope)
    return "".join(part if isinstance(part, str) else _shown(part, scope) for part in parts)


def resolve_text(text: str, scope: Scope) -> str:
    """Return an address in which every value is percent-encoded (UTF-8), so that it cannot change the address.

    `${record.url}` at the start is an address itself and stays as it is.

    Raises:
        BusinessException: a value that cannot stand in a path: empty, `.` or `..`.
        ValueError: malformed, unknown, a table or a secret.
    """
    address = ""
    for part in _parts(text):
        if isinstance(part, str):
            address += part
        elif part.namespace == "record" and part.offset == 0:
            address = str(_lookup(part, scope))
        else:
            address += _encoded(part, scope, in_path="?" not in address and "#" not in address)
    return address


def key_of(template: str, values: Mapping[str, str]) -> str:
    """Return a record's reference from a template of bare names, e.g. `${supplier}/${invoice_no}`.

    Raises:
        ValueError: malformed.
        KeyError: a name without a value.
    """
    return "".join(part if isinstance(part, str) else values[part.name] for part in _parts(template))


def _parts(text: str) -> Iterator[str | Reference]:
    """Cut a text into plain pieces and references; an empty text is one empty piece."""
    start = 0
    plain = ""
    for token in _TOKEN.finditer(text):
        plain += text[start : token.start()]
        start = token.end()
        if token[0] == "$${":
            plain += "${"
            continue
        if plain:
            yield plain
        plain = ""
        yield _reference(token)
    plain += text[start:]
    if plain or not text:
        yield plain


def _reference(token: re.Match[str]) -> Reference:
    inside = _INSIDE.fullmatch(token[1]) if token[2] else None
    if token[2] is None:
        raise ValueError(f"`${{` at character {token.start() + 1} is not closed; write $${{ for a literal ${{")
    if inside is None:
        raise ValueError(f"{token[0]!r} is not a reference; write it like ${{item.name}}, without spaces")
    namespace, joint, name = inside[1] or "", inside[2], inside[3]
    if namespace and namespace not in NAMESPACES:
        return Reference(namespace, name, token.start(), token.end())
    if namespace and joint != (":" if namespace == "secret" else "."):
        raise ValueError(f"{token[0]!r}: write {Reference(namespace, name, 0, 0)}")
    return Reference(namespace, name, token.start(), token.end())


def _lookup(reference: Reference, scope: Scope) -> Value | Secret:
    places: dict[str, Mapping[str, Value]] = {
        "item": scope.item,
        "row": scope.row or {},
        "param": cast("Mapping[str, Value]", scope.params),
        "record": cast("Mapping[str, Value]", scope.record),
    }
    if reference.namespace == "secret":
        return scope.secrets(reference.name)
    if reference.namespace == "" and reference.name == "page" and scope.page is not None:
        return scope.page
    place = places.get(reference.namespace, {})
    if reference.name in place:
        return place[reference.name]
    if reference.namespace == "item" and reference.name in scope.fields:
        return None
    raise ValueError(f"{reference} has no value here")


def _shown(reference: Reference, scope: Scope) -> str:
    if reference.namespace == "secret":
        raise ValueError(f"{reference} must stand alone")
    value = _lookup(reference, scope)
    if isinstance(value, list):
        raise ValueError(f"{reference} is a table and cannot stand in a text")
    spec = _spec(reference, scope)
    return display(cast("Scalar", value), scope.formats, money=spec is not None and spec.type == "money")


def _spec(reference: Reference, scope: Scope) -> FieldSpec | None:
    if reference.namespace == "item":
        return scope.fields.get(reference.name)
    if reference.namespace == "row" and scope.row is not None:
        tables = (spec.columns or {} for spec in scope.fields.values())
        return next((columns[reference.name] for columns in tables if scope.row.keys() <= columns.keys()), None)
    return None


def _encoded(reference: Reference, scope: Scope, *, in_path: bool) -> str:
    shown = _shown(reference, scope)
    if in_path and (not shown or shown in _DOTS):
        raise BusinessException(
            "bad_address", f"{reference} is {shown!r}, which cannot stand in an address", field=reference.name
        )
    return quote(shown, safe="", encoding="utf-8", errors="strict")
