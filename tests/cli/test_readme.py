"""The README's commands run, in their order, from an empty folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Result

README = Path(__file__).parents[2] / "README.md"


def test_the_ten_lines_run(hwprof: Callable[..., Result]) -> None:
    text = README.read_text(encoding="utf-8")
    block = re.search(r"<!-- path -->\n```console\n(.*?)```", text, re.DOTALL)
    assert block is not None
    commands = [shlex.split(line[2:], comments=True) for line in block[1].splitlines()]
    assert len(commands) == 10
    for name, *arguments in commands:
        assert name == "hwprof"
        if arguments[0] == "adapt":
            # A unit mistake is what latencies on a very busy machine look like.
            arguments.append("--any-speed")
        done = hwprof(*arguments)
        # Doctor finds fault; on a busy machine two figures may be unlike, which is no ratio.
        allowed = {"doctor": (0, 1), "compare": (0, 4)}.get(arguments[0], (0,))
        assert done.code in allowed, done.err
    assert Path("here.device").exists()
