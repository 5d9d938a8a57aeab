"""`hwprof example`: the first command in an empty folder."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Result

Cli = Callable[..., Result]


def test_the_next_command_works(hwprof: Cli) -> None:
    done = hwprof("example")
    assert (done.code, done.err) == (0, "")
    assert "Wrote example.onnx" in done.out
    following = re.search(r"^  hwprof (.*)$", done.out, re.MULTILINE)
    assert following is not None
    measured = hwprof(*following[1].split(), "--precision", "0.3", "--budget", "1", "--no-per-op")
    assert measured.code == 0, measured.err
    assert "image float32[1,3,160,160]" in measured.out


def test_nothing_is_overwritten_unasked(hwprof: Cli) -> None:
    path = Path("mine.onnx")
    path.write_text("precious")
    refused = hwprof("example", "-o", path)
    assert refused.code == 2
    assert "'mine.onnx' is there already" in refused.error
    assert "--force" in refused.error
    assert path.read_text() == "precious"
    assert hwprof("example", "-o", path, "--force").code == 0
    assert path.stat().st_size > 1 << 20
    assert "cannot be written" in hwprof("example", "-o", "no/such/folder.onnx").error
