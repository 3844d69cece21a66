"""Raha on one data set, run by an interpreter of its own: `PYTHON raha_runner.py DIRTY CLEAN LABELS SEED [SEED...]`.

Needs raha 1.26 with pandas < 2 and numpy < 2; nothing of this project is imported. Both files must name their columns
alike. Prints one JSON object a seed: the labelled rows and the cells that Raha calls wrong.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import raha  # type: ignore[import-not-found]


def main() -> None:
    """Run the strategies once, then sample, label and classify with every seed."""
    dirty, clean, labels, *seeds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "dirty.csv"
        copy.write_bytes(Path(dirty).read_bytes())
        for seed in seeds:
            print(json.dumps(detect(str(copy), clean, int(labels), int(seed))), flush=True)


def detect(dirty: str, clean: str, labels: int, seed: int) -> dict[str, object]:
    """Return the seed, the labelled rows and the detected cells as [row, column]."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - Raha draws from the global generator
    app = raha.Detection()
    app.LABELING_BUDGET, app.VERBOSE, app.SAVE_RESULTS = labels, False, True
    with contextlib.redirect_stdout(sys.stderr):
        data = app.initialize_dataset({"name": "data", "path": dirty, "clean_path": clean})
        app.run_strategies(data)
        app.generate_features(data)
        app.build_clusters(data)
        while len(data.labeled_tuples) < app.LABELING_BUDGET:
            app.sample_tuple(data)
            app.label_with_ground_truth(data)
        app.propagate_labels(data)
        app.predict_labels(data)
    cells = [[int(row), int(column)] for row, column in data.detected_cells]
    return {"seed": seed, "rows": [int(row) for row in data.labeled_tuples], "cells": cells}


if __name__ == "__main__":
    main()
