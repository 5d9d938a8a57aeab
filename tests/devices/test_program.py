"""What the session around a program makes of its errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hwprof.devices.base import ProfiledRun
from hwprof.devices.program import Program, ProgramSession
from hwprof.errors import DeviceError, MeasurementError, ModelError, one_line
from hwprof.models.base import Model
from hwprof.models.load import load_model


class Failing(Program):
    """Fails as runtimes do, with exceptions of its own."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self) -> object:
        raise self.error

    def outputs(self) -> Sequence[np.ndarray]:
        raise self.error

    def profile(self, runs: int) -> ProfiledRun:
        raise self.error


@pytest.fixture
def model(mlp: Path) -> Model:
    return load_model(mlp)


def test_strange_errors_become_one_sentence(model: Model) -> None:
    session = ProgramSession(model, 1, lambda: Failing(KeyError("\n a reason.\nat line 3")))
    for call in (lambda: session.time(1), session.outputs, lambda: session.profile(1)):
        with pytest.raises(MeasurementError, match="does not run") as error:
            call()
        assert "\n" not in str(error.value)


def test_errors_of_ours_stay_what_they_are(model: Model) -> None:
    session = ProgramSession(model, 1, lambda: Failing(DeviceError("ours; do this")))
    for call in (lambda: session.time(1), session.outputs, lambda: session.profile(1)):
        with pytest.raises(DeviceError, match="ours; do this"):
            call()


def test_a_runtime_that_cannot_load_says_why(model: Model) -> None:
    def load() -> Program:
        raise SystemError("createSession failed.\ntrace")

    with pytest.raises(ModelError, match=r"cannot open 'mlp\.onnx': createSession failed; "):
        ProgramSession(model, 1, load)


def test_a_closed_session_refuses(model: Model) -> None:
    session = ProgramSession(model, 1, lambda: Failing(ValueError("x")))
    session.close()
    session.close()
    for call in (lambda: session.time(1), session.outputs, lambda: session.profile(1)):
        with pytest.raises(MeasurementError, match="closed"):
            call()


@pytest.mark.parametrize(("text", "line"), [("", "ValueError"), ("\n\n a.\nb", "a"), ("a", "a")])
def test_the_first_line_that_says_something(text: str, line: str) -> None:
    assert one_line(ValueError(text)) == line
