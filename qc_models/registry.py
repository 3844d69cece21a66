"""The checks that a definition may name, and nothing else: a new check is one function and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

from engine.ports import CheckKind, Finding
from qc_models.checks.model import model
from qc_models.checks.read_back import read_back
from qc_models.checks.rule import rule

CHECKS: dict[str, Callable[..., list[Finding]]] = {"read_back": read_back, "rule": rule, "model": model}


def check_kinds() -> dict[str, CheckKind]:
    """Return the registry entries; each check's parameters are those of its first argument."""
    return {name: _kind(name, check) for name, check in CHECKS.items()}


def _kind(name: str, check: Callable[..., list[Finding]]) -> CheckKind:
    params: Any = get_type_hints(check)["params"]
    return CheckKind(name, params, check, (check.__doc__ or "").strip())
