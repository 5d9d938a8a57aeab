"""What the kernel says of control groups, when it says something absurd."""

from __future__ import annotations

from pathlib import Path

from hwprof.machine.host.cgroup import _upwards


def test_a_group_whose_path_is_longer_than_any_is_none(tmp_path: Path) -> None:
    (tmp_path / "group").mkdir()
    assert _upwards(tmp_path, "/group/" + "[" * 10_000) == [tmp_path / "group", tmp_path]
