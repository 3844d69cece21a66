"""Eyes: read-back and rule checks, features, training, ONNX artifacts and serving."""
