from __future__ import annotations

from tests.devices.onnxruntime.conftest import real_model as real_model
