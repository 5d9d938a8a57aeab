from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hwprof.errors import OptionError
from hwprof.machine.host.roots import VARIABLE, Roots, parse_roots
from hwprof.testing import machines


def test_either_root_may_be_named(tmp_path: Path) -> None:
    assert parse_roots("") == Roots(Path("/proc"), Path("/sys"))
    proc, sys_ = tmp_path / "proc=1", tmp_path / "sys"
    proc.mkdir()
    sys_.mkdir()
    assert parse_roots(f"sys={sys_}") == Roots(Path("/proc"), sys_)
    assert parse_roots(f"proc={proc},sys={sys_}") == Roots(proc, sys_)


@pytest.mark.parametrize("text", ["/proc", "dev=/tmp", "proc=", "proc=proc", "proc=/,proc=/"])
def test_malformed_roots(text: str) -> None:
    with pytest.raises(OptionError, match="names no root; write proc=/host/proc"):
        parse_roots(text)


def test_a_root_that_is_not_there_is_no_empty_machine(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="which is no folder; mount it there"):
        parse_roots(f"proc={tmp_path / 'away'}")


def test_the_environment_names_the_roots_of_every_reader(tmp_path: Path) -> None:
    roots = machines.build(tmp_path, machines.arm_board())
    script = "from hwprof.machine.host import hardware, snapshot\n"
    script += "print(hardware().cpu, snapshot().load_average)"
    environment = os.environ | {VARIABLE: f"proc={roots.proc},sys={roots.sys}"}
    told = subprocess.check_output([sys.executable, "-c", script], env=environment, text=True)
    assert told == "Khadas VIM3 (2x Cortex-A53 + 4x Cortex-A73) 0.05\n"
