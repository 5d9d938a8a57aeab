import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hwprof.errors import OptionError
from hwprof.machine.host import Pin, Roots, available_cpus, can_pin, place, quiet_cpus
from hwprof.testing import machines as fake_machines

IDLE = "100 0 50 1100 10 0 0 0"
BUSY = "200 0 50 1000 10 0 0 0"
STOLEN = "100 0 50 1000 10 0 0 100"


def after(folder: Path, *ticks: str) -> Callable[[float], None]:
    """A wait during which `/proc/stat` becomes `ticks`."""

    def sleep(seconds: float) -> None:
        assert seconds == 0.1
        fake_machines.build(folder, {"proc/stat": fake_machines.stat_text(*ticks)})

    return sleep


def no_waiting(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s with nothing to choose")


def test_of_equal_cpus_the_highest_numbers_are_taken(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    # 7, 6, 5, 4 are four different cores; 3 would share one with 7.
    assert quiet_cpus(4, roots=roots, sleep=after(tmp_path, *[IDLE] * 8)) == (7, 6, 5, 4)


def test_busy_and_stolen_cpus_are_avoided(tmp_path: Path) -> None:
    files = fake_machines.virtual_machine() | {
        "proc/stat": fake_machines.stat_text(*["100 0 50 1000 10 0 0 0"] * 4)
    }
    files["sys/devices/system/cpu/online"] = "0-3\n"
    roots = fake_machines.build(tmp_path, files)
    assert quiet_cpus(2, roots=roots, sleep=after(tmp_path, IDLE, BUSY, IDLE, STOLEN)) == (2, 0)


def test_a_busy_sibling_makes_a_core_busy(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    # CPU 3 is busy, so its idle sibling 7 shares a core with it.
    ticks = [IDLE, IDLE, IDLE, BUSY, IDLE, IDLE, IDLE, IDLE]
    assert quiet_cpus(1, roots=roots, sleep=after(tmp_path, *ticks)) == (6,)


def test_siblings_come_only_when_every_core_has_one(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    chosen = quiet_cpus(5, roots=roots, sleep=after(tmp_path, *[IDLE] * 8))
    assert chosen == (7, 6, 5, 4, 3)


def test_fast_cores_go_before_quiet_ones(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.arm_board())
    sleep = after(tmp_path, IDLE, IDLE, BUSY, IDLE, IDLE, BUSY)
    assert quiet_cpus(3, roots=roots, sleep=sleep) == (4, 3, 5)
    slow_last = quiet_cpus(5, roots=roots, sleep=after(tmp_path, *[IDLE] * 6))
    assert slow_last == (5, 4, 3, 2, 1)


def test_favoured_cores_are_no_other_kind(tmp_path: Path) -> None:
    files = fake_machines.virtual_machine() | {
        "sys/devices/system/cpu/cpu0/cpu_capacity": "1024\n",
        "sys/devices/system/cpu/cpu1/cpu_capacity": "1004\n",
    }
    roots = fake_machines.build(tmp_path, files)
    assert quiet_cpus(1, roots=roots, sleep=after(tmp_path, IDLE, IDLE)) == (1,)


def test_efficient_cores_of_an_x86_hybrid_come_last(tmp_path: Path) -> None:
    files = fake_machines.virtual_machine() | {"sys/devices/cpu_atom/cpus": "1\n"}
    roots = fake_machines.build(tmp_path, files)
    assert quiet_cpus(1, roots=roots, sleep=after(tmp_path, IDLE, IDLE)) == (0,)


def test_all_cpus_need_no_waiting(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.virtual_machine())
    assert quiet_cpus(2, roots=roots, sleep=no_waiting) == (1, 0)


def test_more_than_there_are(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.virtual_machine())
    assert quiet_cpus(3, roots=roots, sleep=no_waiting) == ()


def test_no_cpus_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        quiet_cpus(0, roots=Roots(tmp_path, tmp_path))


def test_nothing_is_chosen_outside_the_mask(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.container())
    assert quiet_cpus(1, roots=roots, sleep=after(tmp_path, *[BUSY] * 4, *[IDLE] * 4)) == (3,)


def test_without_proc(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.not_linux())
    assert available_cpus(roots) is None
    assert quiet_cpus(1, roots=roots, sleep=no_waiting) == ()


def test_without_load_figures_the_order_still_stands(tmp_path: Path) -> None:
    files = fake_machines.intel_desktop()
    del files["proc/stat"]
    roots = fake_machines.build(tmp_path, files)
    assert quiet_cpus(2, roots=roots, sleep=lambda seconds: None) == (7, 6)


def test_a_mask_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, {"proc/self/status": "Cpus_allowed_list:\tall\n"})
    assert available_cpus(roots) is None


def test_a_garbled_list_of_online_cpus_is_passed_over(tmp_path: Path) -> None:
    files = fake_machines.virtual_machine() | {"sys/devices/system/cpu/online": "all\n"}
    # The CPUs of /proc/stat stand in for it.
    assert available_cpus(fake_machines.build(tmp_path, files)) == (0, 1)


def test_pinning_may_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, mask: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    assert can_pin() == "the system refuses to pin: Operation not permitted"


def test_pinning_may_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    assert can_pin() == "this system has no call to pin a thread to CPUs"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_this_very_machine() -> None:
    usable = os.sched_getaffinity(0)
    assert set(available_cpus() or ()) == usable
    assert set(quiet_cpus(1, sleep=lambda seconds: None)) <= usable
    assert can_pin() == ""
    assert os.sched_getaffinity(0) == usable


def test_a_process_is_placed_where_it_is_asked_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.arm_board())
    placed: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cpus: placed.append(cpus))
    assert place(Pin(), roots) == ()
    assert place(Pin(cpus=(3, 1), quiet=1), roots) == (3, 1)
    assert place(Pin(quiet=6), roots) == (5, 4, 3, 2, 1, 0)
    # More than there are: no placement is better than half of one.
    assert place(Pin(quiet=7), roots) == ()
    assert placed == [(3, 1), (5, 4, 3, 2, 1, 0)]


def test_processors_that_are_not_there_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for cpu in (4095, 1 << 40):
        with pytest.raises(OptionError, match=f"cannot run on processors {cpu} .* usable here: "):
            place(Pin(cpus=(cpu,)))
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(OptionError, match="cannot pin a process; use --pin none"):
        place(Pin(cpus=(0,)))


def test_impossible_pins() -> None:
    with pytest.raises(ValueError, match="numbered from 0"):
        Pin(cpus=(-1,))
    with pytest.raises(ValueError, match="numbered from 0"):
        Pin(quiet=-1)
