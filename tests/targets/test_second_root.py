"""Another Python on what looks like another machine: a record must tell of that one alone.

What differs there for real: the interpreter's path, its packages folder and hwprof's own source,
which is a copy with another version. What is made up: the kernel's files (`/proc` and `/sys` are
folders), and what NumPy, ONNX Runtime and Python call their versions, since a second release of
each is not on every machine. Runs are kept on the real processors, whatever the files say of them.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import sysconfig
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy
import onnxruntime
import pytest

import hwprof
from hwprof.device_spec import DeviceSpec
from hwprof.devices.registry import connect
from hwprof.lut import Table
from hwprof.machine.host import machine_facts, snapshot
from hwprof.measurement import Measurement
from hwprof.profiler.plan import Plan
from hwprof.targets.process import LocalPython
from hwprof.targets.worker import WorkerTarget
from hwprof.testing import machines
from tests.cli.conftest import Result
from tests.cli.conftest import hwprof as command_line

hwprof_cli = command_line  # a fixture, by a name that hides no module
QUICK = Plan(precision=0.3, budget_s=1, restarts=1)
KERNEL = "5.10.0-second"
OTHERS = {"hwprof": "99.1.0", "python": "3.99.1", "numpy": "99.2.0", "onnxruntime": "99.3.0"}
AFFINITY = (min(os.sched_getaffinity(0)),)

# Runs before anything else in that interpreter.
SITE = f"""
import platform
platform.python_version = lambda: {OTHERS["python"]!r}
import numpy
numpy.__version__ = {OTHERS["numpy"]!r}
"""
# The real package, under another version.
RUNTIME = """
from pathlib import Path
__path__ = [{folder!r}]
__file__ = {folder!r} + "/__init__.py"
exec(compile(Path(__file__).read_text(), __file__, "exec"))
__version__ = {version!r}
"""


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> LocalPython:
    home = tmp_path_factory.mktemp("second")
    venv.create(home / "python", symlinks=True)
    python = home / "python/bin/python"
    packages = home / "python/lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages /= "site-packages"
    # No network: what is installed here is found after what that interpreter has itself.
    here = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (packages / "borrowed.pth").write_text("\n".join(here) + "\n")
    (packages / "sitecustomize.py").write_text(SITE)
    assert onnxruntime.__file__ is not None
    folder = str(Path(onnxruntime.__file__).parent)
    (packages / "onnxruntime").mkdir()
    (packages / "onnxruntime/__init__.py").write_text(
        RUNTIME.format(folder=folder, version=OTHERS["onnxruntime"])
    )
    source = Path(hwprof.__file__).parent
    shutil.copytree(source, packages / "hwprof")
    (packages / "hwprof/version.py").write_text(f"__version__ = {OTHERS['hwprof']!r}\n")

    files = machines.arm_board()
    files["proc/self/status"] = re.sub(
        "Cpus_allowed_list:.*", f"Cpus_allowed_list:\t{AFFINITY[0]}", files["proc/self/status"]
    )
    cpu = f"sys/devices/system/cpu/cpu{AFFINITY[0]}/cpufreq"
    files |= {
        "proc/sys/kernel/osrelease": f"{KERNEL}\n",
        "proc/loadavg": "17.25 0.10 0.10 1/84 77\n",
        "sys/devices/system/cpu/online": f"0-{max(5, AFFINITY[0])}\n",
        f"{cpu}/scaling_governor": "ondemand\n",
        f"{cpu}/scaling_cur_freq": "1234567\n",
    }
    roots = machines.build(home / "machine", files)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    environment["HWPROF_ROOTS"] = f"proc={roots.proc},sys={roots.sys}"
    return LocalPython(python, environment)


def check(measurement: Measurement) -> None:
    """Every figure is that machine's, and none is this one's."""
    provenance, spec = measurement.provenance, measurement.device
    theirs = {
        "kernel": KERNEL,
        "python": OTHERS["python"],
        "hwprof": OTHERS["hwprof"],
        "libraries": {"numpy": OTHERS["numpy"], "onnxruntime": OTHERS["onnxruntime"]},
        "governor": "ondemand",
        "clocks": (1234567e3, 1234567e3),
        "temperatures": (47.5, 47.5),
        "load": 17.25,
        "memory": 3_000_000 * 1024,
        "hardware": ("Khadas VIM3 (2x Cortex-A53 + 4x Cortex-A73)", ("asimd",)),
        "runtime": OTHERS["onnxruntime"],
    }
    assert described(measurement) == theirs
    assert provenance.affinity == AFFINITY
    assert spec.hardware.cores == max(6, AFFINITY[0] + 1)
    assert spec.hardware.memory_bytes == round(3_800_000 / (64 << 10)) << 26, "in steps of 64 MiB"
    # Its counters stand still, and it has none of throttling.
    assert (provenance.steal_share, provenance.throttle_events) == (None, None)
    ours = here(connect("cpu").spec)
    assert not {key for key, value in ours.items() if value == theirs[key]}


def described(measurement: Measurement) -> dict[str, object]:
    provenance, spec = measurement.provenance, measurement.device
    return {
        "kernel": provenance.kernel,
        "python": provenance.python_version,
        "hwprof": provenance.hwprof_version,
        "libraries": dict(provenance.libraries),
        "governor": provenance.governor,
        "clocks": (provenance.clock_hz_before, provenance.clock_hz_after),
        "temperatures": (provenance.temperature_c_before, provenance.temperature_c_after),
        "load": provenance.load_average_before,
        "memory": provenance.memory_available_bytes,
        "hardware": (spec.hardware.cpu, spec.hardware.isa),
        "runtime": spec.runtime_version,
    }


def here(spec: DeviceSpec) -> dict[str, object]:
    """What this machine would say."""
    state, facts = snapshot(), machine_facts()
    assert facts.python_version == platform.python_version()
    return {
        "kernel": facts.kernel,
        "python": facts.python_version,
        "hwprof": hwprof.__version__,
        "libraries": {"numpy": numpy.__version__, "onnxruntime": onnxruntime.__version__},
        "governor": state.governor,
        "clocks": (state.clock_hz, state.clock_hz),
        "temperatures": (state.temperature_c, state.temperature_c),
        "load": state.load_average,
        "memory": state.memory_available_bytes,
        "hardware": (spec.hardware.cpu, spec.hardware.isa),
        "runtime": spec.runtime_version,
    }


def test_the_library_measures_there_and_says_so(second: LocalPython, mlp: Path) -> None:
    measurement = hwprof.measure(mlp, WorkerTarget("cpu", launcher=second), QUICK)
    check(measurement)
    # Its quiet processors were asked for: of those it lists there is one.
    assert measurement.provenance.pinned
    assert measurement.profile is not None
    assert measurement.profile.node_cost_s is not None
    assert measurement.memory.peak_rss_bytes == 5000 * 1024, "as its /proc/self/status says"


def test_the_command_line_measures_there_and_keeps_it(
    second: LocalPython,
    mlp: Path,
    hwprof_cli: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = "hwprof.profiler.sweep.WorkerTarget"
    monkeypatch.setattr(here, partial(WorkerTarget, launcher=second))
    options = ("--no-per-op", "--restarts", "1", "--budget", "1", "--pin", "none")
    done = hwprof_cli("measure", mlp, *options)
    assert done.code == 0, done.err
    assert "Khadas VIM3" in done.out or "khadas-vim3" in done.out
    with Table.open("hwprof.db") as table:
        (kept,) = table.measurements()
    check(kept)
    assert not kept.provenance.pinned
    again = hwprof_cli("measure", mlp, *options, "--resume", "--json")
    assert [each["id"] for each in again.json] == [kept.id]
