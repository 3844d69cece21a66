"""Names every step that a definition may use: one function, one line here, one test."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

from bots.profile import AppExtras
from bots.steps.commit import Commit
from bots.steps.expect import expect, wait_for
from bots.steps.files import download, screenshot
from bots.steps.fill import check, choose, fill
from bots.steps.navigate import click, open_page, press
from bots.steps.read import read
from bots.steps.reconcile import reconcile
from bots.steps.rows import fill_rows
from engine.ports import StepKind

StepFunction = Callable[..., Awaitable[None]]

STEPS: dict[str, StepFunction] = {
    "open": open_page,
    "fill": fill,
    "rows": fill_rows,
    "choose": choose,
    "check": check,
    "click": click,
    "press": press,
    "expect": expect,
    "wait_for": wait_for,
    "read": read,
    "download": download,
    "screenshot": screenshot,
    "reconcile": reconcile,
}
_READS = frozenset({"read"})
APP_EXTRAS = AppExtras


def params_of(step: StepFunction) -> type[Any]:
    """Return the parameter model of a step, from its annotation."""
    model: type[Any] = get_type_hints(step)["params"]
    return model


def step_kinds() -> dict[str, StepKind]:
    """Return every step for the loader; the commit has no function, it is sent by the executor alone."""
    kinds = {
        name: StepKind(name, params_of(step), step, inspect.getdoc(step) or "", read=name in _READS)
        for name, step in STEPS.items()
    }
    doc = "Save for good: click once, guarded, and see it confirmed; what is unclear is asked by `find`, never re-sent."
    kinds["commit"] = StepKind("commit", Commit, None, doc, commit=True)
    return kinds
