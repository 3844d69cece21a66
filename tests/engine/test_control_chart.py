"""The control chart's limits are those of the textbook, and fit each group's own size."""

from __future__ import annotations

import pytest

from engine.control_chart import p_chart


def test_limits_follow_from_the_pooled_share_and_the_size_of_each_group() -> None:
    # Montgomery, Introduction to Statistical Quality Control, example 7.1: p = 0.2313, n = 50: 0.0524 to 0.4102
    groups = [(str(day), k, 50) for day, k in enumerate([12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22])]
    groups += [(str(day), k, 50) for day, k in enumerate([8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9, 6], 15)]
    chart = p_chart(groups)
    assert chart.centre == pytest.approx(0.2313, abs=1e-4)
    assert chart.points[0].low == pytest.approx(0.0524, abs=1e-4)
    assert chart.points[0].high == pytest.approx(0.4102, abs=1e-4)
    assert [point.key for point in chart.points if point.out] == ["14", "22"]


def test_nothing_is_said_of_groups_without_anything_in_them() -> None:
    assert p_chart([("a", 0, 0)]).centre is None
    assert [point.key for point in p_chart([("a", 0, 0), ("b", 1, 2)]).points] == ["b"]
