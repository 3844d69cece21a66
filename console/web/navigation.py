"""All pages that the console is to have, in the order of the menu; those without a route yet are not shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from console.web.words import N_


@dataclass(frozen=True)
class Place:
    """One line of the menu."""

    key: str
    label: str
    path: str
    icon: str
    """Name of a symbol in static/icons.svg."""


MENU = (
    Place("today", N_("Today"), "/", "gauge"),
    Place("review", N_("Review"), "/review", "check"),
    Place("runs", N_("Runs"), "/runs", "play"),
    Place("schedules", N_("Schedules"), "/schedules", "clock"),
    Place("workflows", N_("Workflows"), "/workflows", "flow"),
    Place("models", N_("Models"), "/models", "model"),
    Place("reconciliation", N_("Reconciliation"), "/reconciliation", "scales"),
    Place("workers", N_("Workers"), "/workers", "worker"),
    Place("audit", N_("Audit"), "/audit", "chain"),
    Place("users", N_("Users"), "/users", "people"),
)


def menu_for(allowed: Mapping[tuple[str, str], frozenset[str]], roles: Collection[str]) -> list[Place]:
    """Return the lines that lead somewhere for somebody with these roles."""
    return [place for place in MENU if allowed.get(("GET", place.path), frozenset()).intersection(roles)]
