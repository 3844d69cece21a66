from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from engine.ledger.models import ModelRow
from qc_models.artifact import load
from qc_models.card import card, html, segments
from qc_models.fairness.rates import Case, by_group, gaps, rates
from qc_models.fairness.watch import Fairness
from qc_models.importance import importance
from tests.qc_models.conftest import World

HOSTILE = [
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](http://evil.invalid/p.png)",
    "a|b\n# c",
    "`<b>`",
]


def test_the_card_shows_the_lineage_that_the_ledger_keeps(world: World) -> None:
    artifact = load(world.trained.folder)
    metrics = {"lineage": {"parent": "7", "labels_by_source": {"audited": 3}, "labels_sha256": "abc"}}
    rows = [ModelRow(artifact.name, artifact.version, "challenger", artifact.sha256, metrics)]
    text = card(artifact, rows)
    for said in ("- parent: 7", "labels by source: audited 3", "labels sha256: abc"):
        assert said in text
    assert "parent" not in card(artifact, [ModelRow(artifact.name, "other", "champion", "", metrics)])


def seen(group: str) -> Fairness:
    counts = by_group([Case({"supplier": name}, name == group, None) for name in (group, "B") for _ in range(100)])
    return Fairness("invoice-entry", 200, 0, rates(counts), gaps(counts, tolerance=0.02))


def test_a_card_tells_where_the_model_comes_from_and_how_it_treats_the_segments(world: World) -> None:
    artifact = load(world.trained.folder)
    text = card(artifact, [ModelRow(artifact.name, artifact.version, "champion", artifact.sha256, {})], seen("东方"))
    for said in ("## Lineage", artifact.sha256, "champion", "| supplier | 东方 | 100.0% (100 of 100;", "no data"):
        assert said in text
    page = html("card", text)
    assert page.count("<table>") >= 3
    assert "<td>东方</td>" in page


@pytest.mark.parametrize("value", HOSTILE)
def test_what_comes_from_records_stays_text(value: str) -> None:
    page = html(value, segments(seen(value)))
    for harm in ("<script", "<b>", "<img", "href=", "<h1"):
        assert harm not in page
    assert page.count("<tr>") == 3


def test_the_variables_that_matter_come_first_and_the_others_not_at_all() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(600, 3)).astype(np.float32)
    wrong = rows[:, 1] + 0.3 * rows[:, 2] > 1
    model = HistGradientBoostingClassifier(max_iter=20, random_state=1).fit(rows[:300], wrong[:300])
    found = importance(model, rows[300:], wrong[300:], ("noise", "strong", "weak"), seed=1)
    assert [one["feature"] for one in found][:2] == ["strong", "weak"]
    assert found == importance(model, rows[300:], wrong[300:], ("noise", "strong", "weak"), seed=1)
    assert importance(model, rows[300:], np.zeros(300, dtype=bool), ("noise", "strong", "weak"), seed=1) == []
