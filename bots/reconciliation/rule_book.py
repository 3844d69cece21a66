"""Accepting and rejecting proposed rules: the definition's file gets what is accepted, the ledger keeps both."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import yaml

from bots.reconciliation.learning import Proposal
from bots.reconciliation.loading import load_one
from bots.reconciliation.ports import OpenItems
from bots.reconciliation.rule_file import name_of, shape, yaml_of
from engine.errors import UserError

ACCEPTED, REJECTED = "rule_accept", "rule_reject"
"""Verbs of these decisions in the ledger."""
_BLOCK = "write `rules:` as a list of lines that begin with a dash, or leave it out"


def rejected(items: OpenItems) -> dict[str, str]:
    """Return the names of the rules that a person rejected, and why; what was accepted later is not among them."""
    found: dict[str, str] = {}
    for one in items.decisions():
        if one.verb == REJECTED:
            found[str(one.data["name"])] = f"{one.actor}, {one.at:%Y-%m-%d}: {one.reason}"
        elif one.verb == ACCEPTED:
            found.pop(str(one.data["name"]), None)
    return found


def accept(
    items: OpenItems, proposal: Proposal, path: Path, who: str, now: datetime, *, kinds: Iterable[str], reason: str = ""
) -> None:
    """Add a rule to a definition, and to the ledger that it was accepted.

    The definition's text, and so its hash, is another one then: what was reconciled before names the earlier version.

    Raises:
        UserError: the definition cannot be read or written, or has the rule already.
    """
    there = load_one(path, kinds)
    if any(name_of(one.rule) == proposal.name for one in there.file.rules):
        raise UserError(f"{path.as_posix()} has rule {proposal.name} already")
    tested = proposal.tested
    item = yaml_of(proposal.rule, tested.right, len(tested.counters), who, now.isoformat(timespec="seconds"))
    try:
        _replace(path, added(there.text, item), kinds)
    except OSError as error:
        raise UserError(f"{path.as_posix()} cannot be written: {error.strerror or error}") from error
    _note(items, ACCEPTED, proposal, who, reason)


def reject(items: OpenItems, proposal: Proposal, who: str, reason: str) -> None:
    """Keep in the ledger that a rule was rejected; it is not proposed again.

    Raises:
        UserError: there is no reason.
    """
    if not reason.strip():
        raise UserError("say why, with --reason: it is kept, and whoever reads it later was not there")
    _note(items, REJECTED, proposal, who, reason)


def _note(items: OpenItems, verb: str, proposal: Proposal, who: str, reason: str) -> None:
    kind, said = shape(proposal.rule)
    tested = {"right": proposal.tested.right, "wrong": len(proposal.tested.counters), "bound": proposal.rule.bound}
    items.note(verb, who, reason, name=proposal.name, rule={kind: said}, tested=tested)


def added(text: str, item: str) -> str:
    """Return a definition's text with one more rule; everything else, comments too, stays as it is.

    Raises:
        UserError: its rules are not written as a list of lines.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    node = next((value for key, value in pairs if key.value == "rules"), None)
    if node is None:
        return f"{text.rstrip()}\nrules:\n{item}"
    if not isinstance(node, yaml.SequenceNode) or node.flow_style:
        raise UserError(f"the definition's rules are on line {node.start_mark.line + 1}: {_BLOCK}")
    lines = text.splitlines(keepends=True)
    last = _end(node)
    at = last.line + (last.column > 0)
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    shift = node.start_mark.column - (len(item) - len(item.lstrip(" ")))
    moved = [" " * shift + line if shift >= 0 else line[-shift:] for line in item.splitlines(keepends=True)]
    return "".join([*lines[:at], *moved, *lines[at:]])


def _end(node: yaml.Node) -> yaml.Mark:
    """Return where the last value of a node ends; a block itself ends only where the next one begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark


def _replace(path: Path, text: str, kinds: Iterable[str]) -> None:
    """Write a definition in one step, if it can be read again."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".yaml")
    beside = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        load_one(beside, kinds)
        beside.chmod(path.stat().st_mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
