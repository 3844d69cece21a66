"""An artifact is believed only if every part of it is what was trained; the parity gate lets nothing else out."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from engine.errors import UserError
from qc_models import export
from qc_models.artifact import load, sealed
from qc_models.entry.schema import NAMES
from qc_models.session import Session
from tests.qc_models.conftest import World


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world.trained.folder, tmp_path / world.trained.version))


def reseal(folder: Path, **metadata: str) -> None:
    """Change the graph's metadata and its recorded hash, as somebody with the tools could."""
    model = onnx.load(str(folder / "model.onnx"))
    kept = {entry.key: entry.value for entry in model.metadata_props}
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {**kept, **metadata})
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    metrics["model_sha256"] = sealed((folder / "model.onnx").read_bytes())
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def test_a_trained_artifact_loads_and_carries_everything_in_its_metadata(folder: Path, world: World) -> None:
    artifact = load(folder)
    assert artifact.version == world.trained.version
    assert 0 < artifact.threshold < 1
    assert {"format", "features", "labels", "training_data_sha256", "libraries", "metrics", "created"} <= set(
        artifact.metadata
    )
    assert world.trained.metrics["parity_max_difference"] <= export.TOLERANCE


def test_a_flipped_byte_in_the_graph_is_refused(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(UserError, match="SHA-256 differs"):
        load(folder)


def put(folder: Path, graph: bytes) -> None:
    """Put another graph there under a hash that fits."""
    (folder / "model.onnx").write_bytes(graph)
    (folder / "metrics.json").write_text(json.dumps({"model_sha256": sealed(graph)}), encoding="utf-8")


@pytest.mark.parametrize("share", [0, 0.4, 0.9])
def test_a_cut_off_graph_under_a_right_hash_is_refused(folder: Path, share: float) -> None:
    graph = (folder / "model.onnx").read_bytes()
    put(folder, graph[: int(share * len(graph))] or b"no graph at all")
    with pytest.raises(UserError, match=r"damaged|no classifier|foreign"):
        load(folder)


def test_a_graph_that_is_no_classifier_is_refused(folder: Path) -> None:
    shape = [None, len(NAMES)]
    made, given = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "yx")
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "copy", [given], [made])
    opset = [onnx.helper.make_opsetid("", 21)]
    put(folder, onnx.helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString())
    with pytest.raises(UserError, match="no classifier of rows"):
        load(folder)


def test_a_faithful_classifier_of_nobody_is_foreign(folder: Path) -> None:
    model, _ = boosted()
    put(folder, export.to_graph(model))
    with pytest.raises(UserError, match="foreign model \\(family None"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"family": "tea-quality"}, "foreign model"),
        ({"format": "0"}, "model format 0, this program reads 2"),
        ({"feature_schema_sha256": "0" * 64}, "other features"),
        ({"labels": "wrong,right"}, "another order"),
        ({"record_score": "{}"}, "cannot be read"),
        ({"thresholds": "{}"}, "no review threshold"),
        ({"thresholds": '{"review": 2}'}, "no probability"),
        ({"training_data_sha256": ""}, "which data"),
        ({"libraries": ""}, "its libraries are no JSON object"),
        ({"metrics": "{}"}, "does not say what the model says"),
        ({"version": "other"}, "its folder says"),
    ],
)
def test_a_foreign_or_older_artifact_is_refused_with_the_reason(
    folder: Path, change: dict[str, str], words: str
) -> None:
    reseal(folder, **change)
    with pytest.raises(UserError, match=words):
        load(folder)


def test_another_profile_is_refused(folder: Path) -> None:
    stored = json.loads((folder / "profile.json").read_text(encoding="utf-8"))
    stored["records"][0]["iban"] = "DE00000000000000000000"
    (folder / "profile.json").write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(UserError, match=r"profile\.json is not the one"):
        load(folder)


@pytest.mark.parametrize("name", ["model.onnx", "profile.json", "metrics.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        load(folder)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with threadpool_limits(limits=1):
        yield


def boosted() -> tuple[HistGradientBoostingClassifier, np.ndarray[Any, np.dtype[np.float32]]]:
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(600, len(NAMES))).astype(np.float32)
    model = HistGradientBoostingClassifier(max_iter=20, random_state=1).fit(cells, cells[:, 0] + cells[:, 3] > 0)
    return model, cells


def test_the_parity_gate_lets_a_faithful_graph_through() -> None:
    model, cells = boosted()
    rows = export.gate_rows(cells, 1)
    assert len(rows) >= export.LEAST_ROWS
    assert np.isnan(rows).all(axis=1).any()
    assert export.parity(model, export.to_graph(model), rows, (0.5,)) <= export.TOLERANCE


def test_the_parity_gate_stops_a_graph_of_another_model() -> None:
    model, cells = boosted()
    other = HistGradientBoostingClassifier(max_iter=20, random_state=1).fit(cells, cells[:, 0] + cells[:, 4] > 0)
    with pytest.raises(export.ParityError, match="off scikit-learn; nothing was written"):
        export.parity(model, export.to_graph(other), export.gate_rows(cells, 1), (0.5,))


def test_the_parity_gate_asks_for_enough_rows() -> None:
    model, cells = boosted()
    with pytest.raises(export.ParityError, match="2000 rows"):
        export.parity(model, export.to_graph(model), cells[:100], (0.5,))


def test_the_parity_gate_stops_labels_in_another_order() -> None:
    model, cells = boosted()
    turned = HistGradientBoostingClassifier(max_iter=20, random_state=1).fit(cells, cells[:, 0] + cells[:, 3] <= 0)
    with pytest.raises(export.ParityError, match="off scikit-learn"):
        export.parity(model, export.to_graph(turned), export.gate_rows(cells, 1), (0.5,))


def test_the_parity_gate_stops_one_changed_leaf() -> None:
    model, cells = boosted()
    graph = onnx.load_from_string(export.to_graph(model))
    trees = next(node for node in graph.graph.node if node.op_type == "TreeEnsembleClassifier")
    weights = next(attribute for attribute in trees.attribute if attribute.name == "class_weights")
    weights.floats[0] += 0.001
    with pytest.raises(export.ParityError, match="off scikit-learn"):
        export.parity(model, graph.SerializeToString(), export.gate_rows(cells, 1), (0.5,))


@pytest.mark.parametrize("trap", ["sigmoid over a pipeline", "isotonic"])
def test_the_parity_gate_stops_what_converters_get_silently_wrong(trap: str) -> None:
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(600, 8)).astype(np.float32)
    wrong = cells[:, 0] + cells[:, 3] + rng.normal(size=600) > 0
    boosting = HistGradientBoostingClassifier(max_iter=20, random_state=1)
    inner = make_pipeline(StandardScaler(), boosting) if trap != "isotonic" else boosting
    model = CalibratedClassifierCV(inner, method=trap.partition(" ")[0], cv=2).fit(cells, wrong)
    with pytest.raises(export.ParityError, match=r"off scikit-learn|flip"):
        export.parity(model, export.to_graph(model), export.gate_rows(cells, 1, largest=20), (0.5,))


def test_the_parity_gate_stops_a_decision_that_flips_behind_the_graph() -> None:
    model, cells = boosted()
    graph, rows = export.to_graph(model), export.gate_rows(cells, 1)

    def steep(found: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray((found * 1e9) % 1.0, dtype=np.float64)

    assert export.parity(model, graph, rows, (0.5,)) <= export.TOLERANCE
    with pytest.raises(export.ParityError, match="decisions flip"):
        export.parity(model, graph, rows, (0.5,), steep)


def test_linear_models_and_soft_votes_pass_while_their_features_are_bounded() -> None:
    rng = np.random.default_rng(1)
    cells = rng.normal(size=(600, 8)).astype(np.float32)
    wrong = cells[:, 0] + cells[:, 3] + rng.normal(size=600) > 0
    linear = make_pipeline(SimpleImputer(strategy="constant", fill_value=0), LogisticRegression())
    boosting = HistGradientBoostingClassifier(max_iter=20, random_state=1)
    vote = VotingClassifier([("trees", boosting), ("line", linear)], voting="soft", flatten_transform=False)
    for model in (linear, vote):
        graph = export.to_graph(model.fit(cells, wrong))
        rows = export.gate_rows(cells, 1, largest=20)
        assert export.parity(model, graph, rows, (0.5,)) <= export.TOLERANCE


def test_sessions_that_come_and_go_leave_no_memory_behind(folder: Path) -> None:
    model = (folder / "model.onnx").read_bytes()
    rows = np.zeros((8, len(NAMES)), dtype=np.float32)

    def use(times: int) -> int:
        for _ in range(times):
            Session(model).probabilities(rows)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    settled = use(40)
    assert use(200) - settled < 8_000, "kilobytes"


def test_an_interrupted_write_leaves_no_half_model(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        export.write(tmp_path / "m" / "v1", b"graph", {}, {"seconds": object()}, "card")
    assert list((tmp_path / "m").iterdir()) == []
