"""Business days as numbers."""

from __future__ import annotations

from datetime import date

import holidays
import numpy as np
from numpy.typing import NDArray

_ORIGIN = np.datetime64("1900-01-01", "D")


def ordinals(days: NDArray[np.datetime64], country: str | None) -> NDArray[np.int64]:
    """Return how many business days lie between 1900-01-01 and each day; see `matching.days.ordinals`."""
    whole = days.astype("datetime64[D]")
    if not len(whole):
        return np.zeros(0, dtype=np.int64)
    years = range(*(int(str(edge)[:4]) + more for edge, more in ((whole.min(), 0), (whole.max(), 1))))
    free: list[date] = [] if country is None else sorted(holidays.country_holidays(country, years=years))
    calendar = np.busdaycalendar(holidays=np.array(free, dtype="datetime64[D]"))
    return np.asarray(np.busday_count(_ORIGIN, whole, busdaycal=calendar), dtype=np.int64)
