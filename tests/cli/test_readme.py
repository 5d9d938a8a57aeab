"""What README and the guide's beginning tell to type runs, in its order, from an empty folder.

A block that cannot run here says so in the line above it: `<!-- not run: why -->`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwprof.profiler.plan import Plan
from tests.cli.conftest import Result

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>[^>\n]+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
QUICK = ("--precision", "0.5", "--budget", "0.2", "--no-per-op")
# A comparison needs three pairs, and a plan in turns as many.
SHORTENED = {
    "measure": (*QUICK, "--restarts", "1"),
    "compare": (*QUICK[:4], "--restarts", "3"),
    # What latencies on a very busy machine look like is a mistaken unit.
    "adapt": ("--any-speed",),
}


@dataclass(frozen=True)
class Block:
    kind: str
    text: str
    not_run: str

    @property
    def commands(self) -> list[list[str]]:
        """The words of every line after a prompt, as a shell splits them, file patterns included.

        Read only when the lines before have run: a pattern is of the files that are there.
        """
        lines = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        return [words(line) for line in lines]


def words(line: str) -> list[str]:
    assert not re.search(r"[|><&;`]|\$\(", line.partition(" # ")[0]), f"needs a shell: {line}"
    command = ["sh", "-c", f"printf '%s\\0' {line}"]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")[:-1]


def blocks(page: str, section: str = "") -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    if section:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [Block(b["kind"], b["text"], b["why"] or "") for b in BLOCK.finditer(text)]


PATHS = {
    "README.md": blocks("README.md"),
    "guide.md": blocks("docs/guide.md", "Measuring"),
}


@pytest.fixture
def quick_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that nobody gave is over at once."""
    fields = ("precision", "budget_s", "restarts", "per_op", "pin", "percentile")
    assert tuple(Plan.__dataclass_fields__) == fields
    monkeypatch.setattr(Plan.__init__, "__defaults__", (0.5, 0.2, 1, False, "auto", None))


@pytest.mark.parametrize("page", PATHS)
def test_what_is_told_to_be_typed_runs(
    page: str,
    hwprof: Callable[..., Result],
    quick_plans: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    names: dict[str, object] = {}
    for block in PATHS[page]:
        if block.not_run:
            continue
        assert block.kind in ("console", "python")
        if block.kind == "python":
            exec(compile(block.text, page, "exec"), names)
            continue
        for name, *arguments in block.commands:
            assert name == "hwprof"
            done = hwprof(*arguments, *SHORTENED.get(arguments[0], ()))
            # Doctor finds fault; on a busy machine two figures may be unlike, which is no ratio.
            allowed = {"doctor": (0, 1), "compare": (0, 4)}.get(arguments[0], (0,))
            assert done.code in allowed, (arguments, done.err)


def test_hardly_anything_is_left_out() -> None:
    left_out = {page: sum(bool(b.not_run) for b in found) for page, found in PATHS.items()}
    assert left_out == {"README.md": 2, "guide.md": 2}
    run = [b for found in PATHS.values() for b in found if not b.not_run]
    assert sum(b.kind == "python" for b in run) == 1
    prompts = sum(len(re.findall(r"^\$ ", b.text, re.MULTILINE)) for b in run)
    assert prompts >= 18
    # A shell block without a prompt shows what was printed; there is one.
    assert sum(b.kind == "console" and "$ " not in b.text for b in run) == 1


def test_a_mark_belongs_to_a_block() -> None:
    for page, section in (("README.md", ""), ("docs/guide.md", "Measuring")):
        text = (ROOT / page).read_text(encoding="utf-8")
        found = blocks(page, section)
        assert len(re.findall("<!-- not run", text)) >= sum(bool(b.not_run) for b in found)
        assert len(re.findall(r"<!-- not run: [^>\n]+ -->\n```", text)) == text.count(
            "<!-- not run"
        )
