import mmap
import os
import sys
from pathlib import Path

import pytest

from hwprof.machine.host import peak_reset_obstacle, peak_rss_bytes, reset_peak_rss, rss_bytes
from hwprof.machine.host.stat import ProcessTime, busiest, process_times
from hwprof.testing import machines as fake_machines


def test_figures_of_the_kernel(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    assert rss_bytes(roots).bytes == 4000 * 1024
    assert peak_rss_bytes(roots).bytes == 5000 * 1024


def test_the_reset_writes_a_five(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    assert peak_reset_obstacle(roots) == ""
    assert (roots.proc / "self/clear_refs").read_text() == ""
    assert reset_peak_rss(roots) is True
    assert (roots.proc / "self/clear_refs").read_text() == "5"


def test_without_proc_there_is_a_size_and_no_peak(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.not_linux())
    assert reset_peak_rss(roots) is False
    assert "ru_maxrss" in peak_reset_obstacle(roots)
    assert not (roots.proc / "self").exists()
    assert (rss_bytes(roots).bytes or 0) > 0
    peak = peak_rss_bytes(roots)
    assert peak.bytes is None
    assert "ru_maxrss is the peak since the process began" in peak.reason


@pytest.mark.parametrize("status", ["Name:\tx\n", "Name:\tx\nVmHWM:\tmany kB\n"])
def test_a_status_without_the_figure(tmp_path: Path, status: str) -> None:
    peak = peak_rss_bytes(fake_machines.build(tmp_path, {"proc/self/status": status}))
    assert peak.bytes is None
    assert "VmHWM" in peak.reason


def test_a_folder_in_the_way_is_a_reason(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, {"proc/self/clear_refs/x": ""})
    assert "cannot be written: Is a directory" in peak_reset_obstacle(roots)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_the_peak_of_this_process_can_be_reset() -> None:
    # Mapped, not allocated: an allocator may keep what it is given back.
    with mmap.mmap(-1, 64 << 20) as ballast:
        ballast.write(bytes(64 << 20))
        assert reset_peak_rss()
        with_ballast = peak_rss_bytes().bytes
    assert reset_peak_rss()
    without = peak_rss_bytes().bytes
    assert with_ballast is not None
    assert without is not None
    assert with_ballast - without > 48 << 20


def line(pid: int, name: str, ticks: int, started: int) -> str:
    return f"{pid} ({name}) R 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {started} 1 1\n"


def test_busy_processes(tmp_path: Path) -> None:
    tick = os.sysconf("SC_CLK_TCK")
    files = {
        "proc/self/stat": line(77, "python", 0, 9),
        "proc/77/stat": line(77, "python", 0, 9),
        "proc/5/stat": line(5, "kworker/0:1-idle", 40 * tick, 2),
        "proc/6/stat": line(6, "odd) (name", 0, 2),
        "proc/7/stat": line(7, "old", 90 * tick, 2),
        "proc/8/stat": "broken\n",
    }
    roots = fake_machines.build(tmp_path, files)
    before = process_times(roots)
    assert sorted(before or ()) == [5, 6, 7], "neither this process nor what cannot be read"
    files = {
        "proc/77/stat": line(77, "python", 10 * tick, 9),
        # A kernel worker changes its name; it is still the same process.
        "proc/5/stat": line(5, "kworker/0:1-events", 41 * tick, 2),
        "proc/6/stat": line(6, "odd) (name", 2 * tick, 2),
        # The id was given to a new process.
        "proc/7/stat": line(7, "new", tick, 500),
    }
    fake_machines.build(tmp_path, files)
    expected = [("odd) (name", 1.0), ("kworker/0:1-events", 0.5), ("new", 0.5)]
    assert busiest(before, process_times(roots), 2.0) == expected
    assert busiest(before, process_times(roots), 0.0) is None


def test_processes_that_cannot_be_seen(tmp_path: Path) -> None:
    assert process_times(fake_machines.build(tmp_path, fake_machines.not_linux())) is None
    assert busiest(None, {}, 1.0) is None


def test_a_process_that_began_within_the_window_counts() -> None:
    assert busiest({}, {9: ProcessTime("new", 0.5, 1)}, 1.0) == [("new", 0.5)]
