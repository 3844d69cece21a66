"""Business days as numbers, so that a window of business days is a range of integers and joins are range joins."""

from __future__ import annotations

from functools import lru_cache

import holidays
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import UserError

_ORIGIN = np.datetime64("1900-01-01", "D")


def ordinals(days: NDArray[np.datetime64], country: str | None) -> NDArray[np.int64]:
    """Return how many business days there are from 1900-01-01 to each day, the day itself counted.

    The difference of two ordinals is the number of business days between two days. A day that is none (a Sunday, a
    holiday) counts as the last one before it: what is booked on Friday and on Saturday is no day apart. `country` is a
    code of ISO 3166, or of a market that the package `holidays` knows (ECB, XNYS); None means Monday to Friday.

    Raises:
        UserError: there is no calendar of that name, or a day is missing.
    """
    whole = days.astype("datetime64[D]")
    if np.isnat(whole).any():
        raise UserError("a line has no day of booking: a reader must give every line one")
    if not len(whole):
        return np.zeros(0, dtype=np.int64)
    first, last = whole.min(), whole.max()
    every = np.arange(first, last + 1)
    calendar = _calendar(country, *(int(str(edge)[:4]) for edge in (first, last)))
    count = np.asarray(np.busday_count(_ORIGIN, every + 1, busdaycal=calendar), dtype=np.int64)
    return np.asarray(count[(whole - first).astype(np.int64)])


def of(side: pd.DataFrame, country: str | None) -> NDArray[np.int64]:
    """Return the ordinal of each line's day: the value date, or the booking date where it has none."""
    return ordinals(side["valued"].fillna(side["booked"]).to_numpy(), country)


@lru_cache(maxsize=16)
def _calendar(country: str | None, first: int, last: int) -> np.busdaycalendar:
    free = [] if country is None else sorted(_holidays(country, range(first, last + 1)))
    return np.busdaycalendar(holidays=np.array(free, dtype="datetime64[D]"))


def _holidays(country: str, years: range) -> holidays.HolidayBase:
    for known in (holidays.country_holidays, holidays.financial_holidays):
        try:
            return known(country, years=years)
        except NotImplementedError:
            continue
    raise UserError(f"no calendar of holidays is known for {country!r}; use a country's code of ISO 3166, such as DE")
