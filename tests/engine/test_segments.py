from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from engine.definition import Review
from engine.segments import bands, segments_of
from tests.engine.conftest import make_workflow

WORKFLOW = make_workflow(review=Review.model_validate({"segments": {"supplier": "each", "total": [100, 1000]}}))


@pytest.mark.parametrize(
    ("payload", "supplier", "total"),
    [
        ({"supplier": "东方贸易有限公司", "total": Decimal("99.99")}, "东方贸易有限公司", "..100"),
        ({"supplier": "A", "total": "100.00"}, "A", "100..1000"),
        ({"supplier": "A", "total": "1000"}, "A", "1000.."),
        ({"supplier": "", "total": None}, "(none)", "(none)"),
        ({"total": "x"}, "(none)", "(none)"),
    ],
)
def test_a_record_has_one_group_a_segment(payload: dict[str, Any], supplier: str, total: str) -> None:
    assert segments_of(WORKFLOW, payload) == {"supplier": supplier, "total": total}


def test_bands_cover_everything() -> None:
    assert bands((Decimal(1),)) == ["..1", "1.."]


@pytest.mark.parametrize("bounds", [[], [2, 1], [1, 1], "all"])
def test_bounds_rise(bounds: Any) -> None:
    with pytest.raises(ValidationError):
        Review.model_validate({"segments": {"total": bounds}})
