"""The model to try hwprof on."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import hwprof
from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.spaces.example import ARCH, SPACE, write_example


def test_it_is_one_architecture_and_always_the_same(tmp_path: Path) -> None:
    first = hwprof.write_example(tmp_path / "a.onnx")
    second = write_example(str(tmp_path / "b.onnx"))
    assert first.read_bytes() == second.read_bytes()
    model = onnx.load(str(first))
    onnx.checker.check_model(model, full_check=True)
    assert model == spaces.get(SPACE).build(ARCH)
    assert first.stat().st_size < 20 << 20
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


def test_what_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_text("precious")
    with pytest.raises(OptionError, match="left alone"):
        write_example(path)
    assert path.read_text() == "precious"
    write_example(path, overwrite=True)
    onnx.checker.check_model(str(path))


@pytest.mark.parametrize("name", ["missing/x.onnx", "file/x.onnx"])
def test_where_nothing_can_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="cannot be written"):
        write_example(tmp_path / name)
    with pytest.raises(OptionError, match="is a folder"):
        write_example(tmp_path, overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
