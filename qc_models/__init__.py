"""Eyes: read-back and rule checks, features, training, ONNX artifacts and serving."""

import os

# onnxruntime's own builds keep a device id in the user's cache folder and report to their maker unless told not to
# before they are loaded (onnxruntime/Privacy.md, "Disabling Telemetry"); records of a back office are nobody's business
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
