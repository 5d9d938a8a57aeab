"""What the tests of privacy look with does see what it is to see."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.watching import watched

LOOK_UP = """
import socket, subprocess, sys
try:
    socket.getaddrinfo('nowhere.invalid', 80)
except OSError:
    pass
subprocess.run([sys.executable, '-c', "open('by a child', 'w'); import os; os.mkdir('folder')"])
"""


def test_sockets_look_ups_and_files_of_children_are_seen(tmp_path: Path) -> None:
    found = watched([sys.executable, "-c", LOOK_UP], tmp_path, {"PATH": "/usr/bin:/bin"})
    assert (found.code, found.out, found.err) == (0, "", "")
    assert found.lookups
    assert [path.name for path in found.made if path.parent == tmp_path] == ["by a child", "folder"]


def test_a_program_that_does_nothing_of_it_is_left_alone(tmp_path: Path) -> None:
    found = watched([sys.executable, "-c", "print(1)"], tmp_path, {"PYTHONDONTWRITEBYTECODE": "1"})
    assert (found.code, found.out) == (0, "1\n")
    assert (found.sockets, found.lookups, found.made) == ([], [], [])
