"""What `pytest --core` leaves out: tests that need more than prediction and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent

# Folders and files, by what they need.
NEEDS_MORE = (
    # other runtimes and their converters
    "convert/litert",
    "convert/torch",
    "devices/executorch",
    "devices/gpu",
    "devices/litert",
    "devices/mnn",
    "devices/ncnn",
    "devices/openvino",
    "devices/tensorrt",
    "devices/test_specs.py",
    "devices/torch",
    "devices/tvm",
    "models/pt2",
    "models/tflite",
    # PyTorch, to count FLOPs with or to train
    "predictors/test_damaged_help.py",
    "predictors/test_gcn.py",
    "predictors/test_help.py",
    "search/test_additive.py",
    "search/test_predicted.py",
    "spaces/test_bert.py",
    "spaces/test_fbnet.py",
    "spaces/test_gpt.py",
    "spaces/test_mobilenetv3.py",
    "spaces/test_nasbench201.py",
    "spaces/test_resnet50.py",
    "spaces/test_transformer.py",
    "spaces/test_vit.py",
    # search libraries
    "search/estimators/test_adapters.py",
    "search/test_examples.py",
    "search/test_libraries.py",
    # NVIDIA's binding, Zeus
    "machine/gpu",
    "machine/meters/test_nvml_meter.py",
    "machine/meters/test_zeus_agreement.py",
)


def needs_more(path: Path) -> bool:
    """Whether a test file or folder needs what the core does not bring."""
    return any(path == TESTS / each for each in NEEDS_MORE) or "examples" in path.parts
