"""YAML nodes to plain data: the core schema of YAML 1.2, bounded depth and size, a mark for every value.

`no`, `on`, `12:30`, `007` and `2026-01-31` stay texts; numbers with a fraction become `Decimal`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_NODES = 50_000
"""Most values in a file, aliases expanded."""
MAX_DEPTH = 40
"""Deepest nesting."""

Keys = tuple[str | int, ...]
"""Where a value stands in a document: the keys and list positions that lead to it."""
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Mark:
    """Where a value stands, where its key does, and how a scalar is written."""

    line: int
    col: int
    key_line: int
    key_col: int
    text: str | None = None
    """A scalar as it is written, before its type was decided."""


class _Loader(yaml.SafeLoader):
    """Composes nodes with the core schema of YAML 1.2; nesting is bounded before Python's own stack is."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own form
    depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, "nested too deeply", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_CORE = (
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", tuple("-+0123456789")),
    ("float", r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?", tuple("-+0123456789")),
)
for _kind, _pattern, _first in _CORE:
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def compose(text: str) -> Node | None:
    """Return the root of a text's nodes, or None for an empty one.

    Raises:
        yaml.YAMLError: the text is not YAML, is nested too deeply or holds several documents.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


class Builder:
    """Turns nodes into plain data and remembers where each stood."""

    def __init__(self) -> None:
        self.marks: dict[Keys, Mark] = {}
        self.notes: list[tuple[tuple[int, int], str, str]] = []
        self.count = 0
        self._open: set[int] = set()

    def build(self, node: Node, path: Keys, key: Node) -> Any:
        """Return a node's plain data and mark it and all below it; `key` is where a problem of the key is shown."""
        self.count += 1
        if self.count > MAX_NODES:
            return None
        start, key_start = node.start_mark, key.start_mark
        scalar = node.value if isinstance(node, ScalarNode) else None
        self.marks[path] = Mark(start.line + 1, start.column + 1, key_start.line + 1, key_start.column + 1, scalar)
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            self._note(node, "this value contains itself", "yaml")
            return None
        self._open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, MappingNode) else self._sequence(node, path)
        finally:
            self._open.discard(id(node))

    def _sequence(self, node: Node, path: Keys) -> Any:
        if not isinstance(node, SequenceNode) or node.tag != _TAG + "seq":
            return self._refuse_tag(node)
        return [self.build(entry, (*path, index), entry) for index, entry in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Keys) -> Any:
        if node.tag != _TAG + "map":
            return self._refuse_tag(node)
        data: dict[str, Any] = {}
        first: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._note(key, "a key must be a plain word", "yaml")
                continue
            name = str(key.value)
            if name in first:
                line = first[name].start_mark.line + 1
                col = first[name].start_mark.column + 1
                self._note(key, f'the key "{name}" stands twice, first at {line}:{col}', "duplicate-key")
                continue
            first[name] = key
            data[name] = self.build(value, (*path, name), key)
        return data

    def _scalar(self, node: ScalarNode) -> Any:
        text = str(node.value)
        match node.tag.removeprefix(_TAG):
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.casefold() == "true"
            case "int":
                return self._number(node, int)
            case "float":
                return self._number(node, Decimal)
        return self._refuse_tag(node)

    def _number(self, node: ScalarNode, kind: type[int | Decimal]) -> Any:
        try:
            return kind(str(node.value))
        except (ValueError, ArithmeticError):
            self._note(node, f"{str(node.value)[:40]!r} is not a number that can be read", "yaml")
            return None

    def _refuse_tag(self, node: Node) -> None:
        self._note(node, f"the tag {node.tag.replace(_TAG, '!!')} is not allowed; definitions hold plain data", "yaml")

    def _note(self, node: Node, message: str, rule: str) -> None:
        self.notes.append(((node.start_mark.line + 1, node.start_mark.column + 1), message, rule))
