"""How fast items may be started in an application: `30/m`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_rate(raw: object) -> Rate:
    """Read `30/m`: at most so many items started in a second, minute, hour or day.

    Raises:
        ValueError: the text is no such rate.
    """
    if isinstance(raw, Rate):
        return raw
    match = re.fullmatch(r"([1-9]\d{0,5})\s*/\s*([smhd])", str(raw).strip())
    if match is None:
        raise ValueError(f"{raw!r} is not a rate; write it like 2/s, 30/m, 500/h or 5000/d")
    return Rate(int(match[1]), match[2])


@dataclass(frozen=True)
class Rate:
    """How many items may be started in a unit of time; starts are spread evenly over it."""

    count: int
    unit: str

    @property
    def pace(self) -> timedelta:
        """Return the least time between two starts."""
        return timedelta(seconds=_SECONDS[self.unit] / self.count)


RateSpec = Annotated[
    Rate,
    BeforeValidator(parse_rate),
    PlainSerializer(lambda value: f"{value.count}/{value.unit}"),
    WithJsonSchema({"type": "string", "pattern": r"^[1-9]\d{0,5}\s*/\s*[smhd]$", "examples": ["2/s", "30/m"]}),
]
