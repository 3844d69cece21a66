"""Loads the page script: the JavaScript that every document runs before the page's own code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

PARTS = ("watch", "locate", "read", "pager", "act", "click")
EXPORTS = (
    "settled",
    "stays",
    "arrive",
    "lost",
    "fillAll",
    "fillRows",
    "focusField",
    "leaveField",
    "readAll",
    "listRows",
    "expectSeen",
    "everything",
    "aim",
    "outcome",
    "mark",
    "markStale",
)


@cache
def _body() -> str:
    folder = files("bots") / "page"
    return "\n".join((folder / f"{part}.js").read_text(encoding="utf-8") for part in PARTS)


def page_script(config: Mapping[str, Any]) -> str:
    """Return the script for `BrowserContext.add_init_script`, with the application's signs written into it."""
    return (
        "(() => {\n'use strict';\nif (window.__countersign) return;\n"
        f"const config = {json.dumps(dict(config))};\n{_body()}\n"
        f"Object.defineProperty(window, '__countersign', {{ value: Object.freeze({{ {', '.join(EXPORTS)} }}) }});\n"
        "})();\n"
    )
