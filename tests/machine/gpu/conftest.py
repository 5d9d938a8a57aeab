from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from tests.machine.gpu.stub import compile_stub


@pytest.fixture(scope="session")
def stub_cuda(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """A CUDA driver without a GPU."""
    return compile_stub(Path(tmp_path_factory.mktemp("cuda")))
