"""The public names: imported when used, and clear when an extra is missing."""

import subprocess
import sys

import pytest

import hwprof
from hwprof.errors import OptionError


def test_every_public_name_is_there():
    for name in hwprof.__all__:
        assert getattr(hwprof, name) is not None
    assert set(hwprof.__all__) <= set(dir(hwprof))
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = hwprof.nothing_such


def run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_nothing_else():
    heavy = "{'numpy', 'onnx', 'onnxruntime', 'torch', 'scipy', 'optuna'}"
    assert run(f"import sys, hwprof; print({heavy} & set(sys.modules))").strip() == "set()"


def test_a_missing_extra_is_named():
    said = run(
        "import sys; sys.modules['scipy'] = None\n"
        "import hwprof\n"
        "try:\n"
        "    hwprof.Objective\n"
        "except hwprof.OptionError as error:\n"
        "    print(error)\n"
    )
    assert "pip install 'hwprof[predict]'" in said
    assert "scipy" in said
    assert issubclass(hwprof.OptionError, OptionError)
