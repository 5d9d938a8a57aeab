"""Real models and folders that many tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.telemetry import opt_out
from tests.core import needs_more
from tests.small_models import mlp_proto


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Pools that tests fit are kept for these tests alone, and nothing comes from the home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HWPROF_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


# Tests import runtimes in their own process, too.
opt_out()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--core", action="store_true", help="leave out what needs other runtimes")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("core") and needs_more(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("core"):
        left_out = [item for item in items if item.get_closest_marker("runtimes")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.fixture(scope="session")
def light() -> Path:
    """Folder of the nine light models that the onnx package bundles."""
    return LIGHT


@pytest.fixture(scope="session")
def squeezenet() -> Path:
    return LIGHT / "light_squeezenet.onnx"


@pytest.fixture(scope="session")
def magika_model() -> Path:
    """A trained model that a package carries: integer input, dynamic batch."""
    import importlib.util

    spec = importlib.util.find_spec("magika")
    assert spec is not None
    assert spec.origin is not None
    (model,) = Path(spec.origin).parent.glob("models/*/model.onnx")
    return model


@pytest.fixture
def mlp(tmp_path: Path) -> Path:
    path = tmp_path / "mlp.onnx"
    onnx.save(mlp_proto(), str(path))
    return path


@pytest.fixture
def dynamic_mlp(tmp_path: Path) -> Path:
    path = tmp_path / "dynamic_mlp.onnx"
    onnx.save(mlp_proto("batch"), str(path))
    return path


@pytest.fixture
def external_mlp(tmp_path: Path) -> Path:
    """A model whose weights lie in a file beside it."""
    path = tmp_path / "external.onnx"
    onnx.save_model(
        mlp_proto(),
        str(path),
        save_as_external_data=True,
        location="external.bin",
        size_threshold=0,
    )
    return path


@pytest.fixture
def two_inputs(tmp_path: Path) -> Path:
    """Token ids (int64) and a float mask that share a dynamic length."""
    rng = np.random.default_rng(0)
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["e"], name="embed"),
            helper.make_node("Mul", ["e", "mask"], ["y"], name="mul"),
        ],
        "embed",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", "length", 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "length", 16])],
        [numpy_helper.from_array(rng.standard_normal((10, 16)).astype(np.float32), "table")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "two_inputs.onnx"
    onnx.save(proto, str(path))
    return path
