"""What is named as a model or as values, and is no file that ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hwprof.errors import HwprofError, ModelError, OptionError
from hwprof.models import plain_file
from hwprof.models.inputs.files import read_npy, read_npz, read_pb
from hwprof.models.load import load_model
from hwprof.models.plain_file import plain_size, printable, refuse_beyond_memory
from tests.small_models import mlp_proto

SUFFIXES = (".onnx", ".pt2", ".tflite", ".pt")
VALUES = (read_npy, read_npz, read_pb)


def said(read: Callable[[], object], kind: type[HwprofError]) -> str:
    with pytest.raises(kind) as error:
        read()
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 500
    return text


@pytest.fixture(params=["zero", "pipe", "socket"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A device, a pipe that nobody writes to, a socket: reading any of them would not end."""
    path = tmp_path / "endless"
    if request.param == "zero":
        path.symlink_to("/dev/zero")
        yield path
    elif request.param == "pipe":
        os.mkfifo(path)
        yield path
    else:
        with socket.socket(socket.AF_UNIX) as bound:
            # Names of sockets are short: bound from within the folder.
            here = os.open(".", os.O_RDONLY)
            try:
                os.chdir(tmp_path)
                bound.bind("endless")
            finally:
                os.fchdir(here)
                os.close(here)
            yield path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_model_is_a_file_that_ends(endless: Path, suffix: str) -> None:
    named = endless.with_suffix(suffix)
    endless.rename(named)
    text = said(lambda: load_model(named), ModelError)
    assert "is a device or a pipe, and no file; name a model file" in text or suffix == ".pt"


@pytest.mark.parametrize("read", VALUES)
def test_values_are_in_a_file_that_ends(endless: Path, read: Callable[[Path], object]) -> None:
    assert "is a device or a pipe" in said(lambda: read(endless), OptionError)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone", "there is no file"),
        ("a\0b", "is no name of a file"),
        ("x" * 300, "is too long for a file"),
        ("half\ud800", "is no name of a file"),
        ("gone/inside", "there is no file"),
    ],
)
def test_paths_that_lead_nowhere(name: str, says: str, suffix: str, tmp_path: Path) -> None:
    assert says in said(lambda: load_model(tmp_path / f"{name}{suffix}"), ModelError)


def test_links_in_a_circle(tmp_path: Path) -> None:
    one, other = tmp_path / "one.onnx", tmp_path / "other.onnx"
    one.symlink_to(other)
    other.symlink_to(one)
    assert "in a circle of links" in said(lambda: load_model(one), ModelError)
    assert "in a circle of links" in said(lambda: read_npy(one), OptionError)


def test_names_that_are_no_text(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.onnx"))
    path.write_bytes(mlp_proto().SerializeToString())
    assert load_model(path).subject.name == r"\xff\xfe"
    path.write_bytes(b"\xff")
    with pytest.raises(ModelError, match="is not an ONNX model"):
        load_model(path)
    assert printable("half \ud800") == "half \\ud800"


def test_a_file_larger_than_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vast = tmp_path / "vast.onnx"
    with vast.open("wb") as stream:
        stream.truncate(1 << 20)  # sparse: it takes no room
    monkeypatch.setattr(plain_file, "memory_bytes", lambda: 1 << 19)
    assert "of memory; check the file" in said(lambda: load_model(vast), ModelError)
    assert "of memory" in said(lambda: read_pb(vast), OptionError)
    monkeypatch.setattr(plain_file, "memory_bytes", lambda: None)
    refuse_beyond_memory(vast, 1 << 60)
    assert plain_size(vast) == 1 << 20


def test_files_that_the_kernel_makes_up_are_not_read() -> None:
    # Its size is said to be 0, and reading it waits for messages.
    with pytest.raises(ModelError, match="holds no ONNX graph"):
        load_model(Path("/proc/kmsg"))
