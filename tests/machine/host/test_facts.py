from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import numpy
import pytest

import hwprof
from hwprof.codec import from_json, to_json
from hwprof.machine.host import MachineFacts, library_versions, machine_facts
from hwprof.testing import machines


def test_what_a_machine_says_of_itself(tmp_path: Path) -> None:
    kernel = {"osrelease": "6.1.0-board\n", "hostname": "board-7\n"}
    files = machines.container() | {f"proc/sys/kernel/{name}": v for name, v in kernel.items()}
    facts = machine_facts(machines.build(tmp_path, files), {"onnxruntime": "1.20"})
    assert facts.kernel == "6.1.0-board"
    assert facts.host == "board-7"
    assert facts.libraries == {"numpy": numpy.__version__, "onnxruntime": "1.20"}
    assert facts.cpus == (0, 1, 2, 3)
    assert facts.memory_available_bytes == (1 << 30) + (256 << 20)
    assert from_json(to_json(facts), MachineFacts) == facts


def test_this_machine() -> None:
    facts = machine_facts()
    assert facts.system == f"{platform.system()}-{platform.machine()}"
    assert facts.kernel == platform.release()
    assert facts.python_version == platform.python_version()
    assert facts.hwprof_version == hwprof.__version__
    assert facts.pin_obstacle == ""
    assert facts.host == platform.node()


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    facts = machine_facts(machines.build(tmp_path, machines.not_linux()))
    assert (facts.cpus, facts.memory_available_bytes) == (None, None)
    assert facts.kernel == platform.release()


def test_the_module_that_runs_says_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy, "__version__", "99.1")
    assert library_versions(("numpy",)) == {"numpy": "99.1"}
    monkeypatch.delattr(numpy, "__version__")
    assert library_versions(("numpy", "no-such-library")) == {"numpy": metadata.version("numpy")}
