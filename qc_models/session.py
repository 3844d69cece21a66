"""A graph at work in onnxruntime, which costs a tenth of a second to load: only who scores imports this module."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from qc_models.family import NotOurs

Floats = NDArray[np.float64]
DAMAGED = (
    onnx_errors.InvalidProtobuf,
    onnx_errors.InvalidGraph,
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
)
"""What a graph that cannot be read or run ends with."""
ERRORS = tuple(kind for kind in vars(onnx_errors).values() if isinstance(kind, type) and issubclass(kind, Exception))
"""Every error of onnxruntime; they have no base of their own."""


class Session:
    """One ONNX graph, one thread: the probability of the second label for each row of features."""

    def __init__(self, model: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        given, made = self._session.get_inputs(), self._session.get_outputs()
        if len(given) != 1 or len(made) != 2 or len(given[0].shape) != 2:  # noqa: PLR2004 - label, probabilities
            raise NotOurs("the graph is no classifier of rows")
        self._input, self._output, self.width = given[0].name, made[1].name, given[0].shape[1]

    @property
    def metadata(self) -> dict[str, str]:
        """Return what the graph says about itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def probabilities(self, rows: NDArray[np.float32]) -> Floats:
        """Return P(wrong) a row; rows are float32, (n, features)."""
        found = self._session.run([self._output], {self._input: rows})[0]
        return np.asarray(found[:, 1], dtype=np.float64)
