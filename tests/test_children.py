"""Child processes end with the process that started them."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from hwprof.children import PARENT, bound

FOREVER = "import time; time.sleep(3600)"


def ended(process: psutil.Process) -> bool:
    psutil.wait_procs([process], timeout=30)
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children so")
def test_a_program_ends_with_who_runs_it_however_that_ends() -> None:
    script = (
        "import subprocess, sys\n"
        "from hwprof.children import bound\n"
        f"child = subprocess.Popen(bound([sys.executable, '-c', {FOREVER!r}]))\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        # It asks before it becomes the program.
        while FOREVER not in child.cmdline() or "-I" in child.cmdline():
            pass
        parent.kill()
    assert ended(child)


def test_a_program_runs_as_it_would_otherwise() -> None:
    script = "import sys; print(sys.argv[1:], sys.stdin.read()); sys.exit(3)"
    command = bound([sys.executable, "-c", script, "a b", "--c"])
    done = subprocess.run(command, input="in", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (3, "['a b', '--c'] in\n")
    with pytest.raises(FileNotFoundError, match="no such program"):
        bound(["no-such-program-anywhere"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children so")
def test_a_child_whose_parent_is_gone_already_ends_at_its_start() -> None:
    script = (
        "import os\n"
        "from hwprof.children import PARENT, die_with_parent\n"
        "die_with_parent()\n"
        "print(PARENT in os.environ)\n"
    )

    def code(parent: int) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, PARENT: str(parent)},
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout

    # Its own children must not take that number for their parent's.
    assert code(os.getpid()) == (0, "False\n")
    assert code(999_999_999) == (1, "")
