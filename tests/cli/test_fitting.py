"""Who waits at a terminal for a fit is told so; nobody else, and nobody twice."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Result

SAID = "fitting the pool (once, some seconds) ..."
SELECT = ("select", "--space", "resnet50", "-k", "1")


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWPROF_CACHE", str(tmp_path / "cache"))


def test_at_a_terminal(hwprof, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    first: Result = hwprof(*SELECT)
    again: Result = hwprof(*SELECT)
    assert first.err.splitlines().count(SAID) == 1
    assert SAID not in again.err
    assert first.out == again.out


def test_elsewhere(hwprof) -> None:  # type: ignore[no-untyped-def]
    done: Result = hwprof(*SELECT)
    assert done.code == 0
    assert SAID not in done.err
