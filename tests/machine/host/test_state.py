from pathlib import Path

import pytest

from hwprof.codec import from_json, to_json
from hwprof.machine.host import HostState, between, snapshot
from hwprof.machine.host.roots import Roots, parse_cpu_list, whole
from hwprof.machine.host.stat import cpu_times
from hwprof.testing import machines as fake_machines
from hwprof.testing.clock import FakeClock

CPU = "sys/devices/system/cpu"


def test_intel_desktop(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    clock = FakeClock(5.0)
    state = snapshot(roots, clock=clock.now)
    assert state.at_s == 5.0
    assert state.affinity == tuple(range(8))
    assert state.load_average == 0.20
    assert state.governor == "powersave"
    assert state.clock_hz == pytest.approx(1.0035e9)
    # The hottest sensor of the processor: not the board's zone, not the disk.
    assert state.temperature_c == 62.0
    # Four cores that each say 2 twice, two packages that each say 5 four times.
    assert state.throttle_events == 4 * 2 + 2 * 5
    assert state.memory_available_bytes == 20_000_000 * 1024
    assert state.cpu_quota is None
    assert state.quota_stops is None


def test_arm_board_has_two_governors(tmp_path: Path) -> None:
    state = snapshot(fake_machines.build(tmp_path, fake_machines.arm_board()))
    assert state.governor == "performance, schedutil"
    assert state.temperature_c == 47.5
    assert state.throttle_events is None


def test_only_the_cpus_that_may_be_used_are_looked_at(tmp_path: Path) -> None:
    files = fake_machines.arm_board()
    files["proc/self/status"] = "Cpus_allowed_list:\t2-3\n"
    state = snapshot(fake_machines.build(tmp_path, files))
    assert state.governor == "performance"
    assert state.clock_hz == 2.208e9
    assert set(state.cpu_times) == set(range(6))


def test_container_limits_bind(tmp_path: Path) -> None:
    state = snapshot(fake_machines.build(tmp_path, fake_machines.container()))
    assert state.affinity == (0, 1, 2, 3)
    # The inner group's 1.5 CPUs, not the outer one's 4.
    assert state.cpu_quota == 1.5
    assert state.quota_stops == 4
    # 2 GiB less 1 GiB in use, of which 256 MiB is cache that can go.
    assert state.memory_available_bytes == (1 << 30) + (256 << 20)


def test_limit_of_an_enclosing_group_binds(tmp_path: Path) -> None:
    files = fake_machines.container()
    files["sys/fs/cgroup/pod/cpu.max"] = "50000 100000\n"
    assert snapshot(fake_machines.build(tmp_path, files)).cpu_quota == 0.5


def test_cgroup_v1(tmp_path: Path) -> None:
    files = fake_machines.container() | {
        "proc/self/cgroup": "4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n0::/\n",
        # Inside a container the group's path does not exist below the mount.
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "600000\n",
        "sys/fs/cgroup/memory/memory.stat": "cache 5\ntotal_inactive_file 100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.stat": "nr_periods 1\nnr_throttled 0\n",
    }
    state = snapshot(fake_machines.build(tmp_path, files))
    assert state.cpu_quota == 2.0
    assert state.quota_stops == 0
    assert state.memory_available_bytes == 500_000


def test_cgroup_v1_without_limits(tmp_path: Path) -> None:
    files = fake_machines.container() | {
        "proc/self/cgroup": "4:memory:/\n1:cpu:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": "600000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    state = snapshot(fake_machines.build(tmp_path, files))
    assert state.cpu_quota is None
    assert state.memory_available_bytes == 60_000_000 * 1024


def test_virtual_machine_steal(tmp_path: Path) -> None:
    files = fake_machines.virtual_machine()
    clock = FakeClock()
    roots = fake_machines.build(tmp_path, files)
    before = snapshot(roots, clock=clock.now)
    # The mask names 128 CPUs; two of them exist.
    assert before.affinity == (0, 1)
    assert before.clock_hz == 2.5e9
    clock.advance(1.0)
    now = fake_machines.stat_text("150 0 50 1020 10 0 0 30", "100 0 50 1100 10 0 0 0")
    fake_machines.build(tmp_path, {"proc/stat": now})
    passed = between(before, snapshot(roots, clock=clock.now))
    assert passed.window_s == 1.0
    assert passed.busy_shares == {0: 0.5, 1: 0.0}
    assert passed.steal_share == 0.15
    assert passed.throttle_events is None


def test_a_window_without_a_tick_tells_nothing(tmp_path: Path) -> None:
    state = snapshot(fake_machines.build(tmp_path, fake_machines.virtual_machine()))
    passed = between(state, state)
    assert passed.steal_share is None
    assert passed.busy_shares == {}


def test_iowait_may_fall_without_making_shares_negative(tmp_path: Path) -> None:
    files = fake_machines.virtual_machine()
    files["proc/stat"] = fake_machines.stat_text("0 0 0 9 9")
    roots = fake_machines.build(tmp_path, files)
    before = snapshot(roots)
    fake_machines.build(tmp_path, {"proc/stat": fake_machines.stat_text("10 0 0 9 5")})
    passed = between(before, snapshot(roots))
    assert passed.busy_shares == {0: 1.0}
    assert passed.steal_share == 0.0


def test_throttling_and_quota_stops_within_the_window(tmp_path: Path) -> None:
    files = fake_machines.intel_desktop()
    roots = fake_machines.build(tmp_path, files)
    before = snapshot(roots)
    counter = f"{CPU}/cpu3/thermal_throttle/core_throttle_count"
    fake_machines.build(tmp_path, {counter: "6\n"})
    assert between(before, snapshot(roots)).throttle_events == 4
    # A counter that falls counts something else now: unknown rather than negative.
    assert between(snapshot(roots), before).throttle_events is None


def test_without_proc_nothing_is_made_up(tmp_path: Path) -> None:
    state = snapshot(fake_machines.build(tmp_path, fake_machines.not_linux()))
    assert state.affinity is None
    assert state.load_average is None
    assert state.governor is None
    assert state.clock_hz is None
    assert state.temperature_c is None
    assert state.throttle_events is None
    assert state.memory_available_bytes is None
    assert state.cpu_quota is None
    assert between(state, state).steal_share is None


def test_garbage_is_unknown(tmp_path: Path) -> None:
    files = dict.fromkeys(fake_machines.intel_desktop(), "garbage\n")
    state = snapshot(fake_machines.build(tmp_path, files))
    assert state.load_average is None
    assert state.cpu_times == {}
    assert state.temperature_c is None
    assert state.memory_available_bytes is None


@pytest.mark.parametrize("millidegrees", ["0", "-274000", "255000"])
def test_a_sensor_that_is_off_gives_no_temperature(tmp_path: Path, millidegrees: str) -> None:
    files = {
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": f"{millidegrees}\n",
    }
    assert snapshot(fake_machines.build(tmp_path, files)).temperature_c is None


def test_amd_die_temperature_goes_before_the_fan_value(tmp_path: Path) -> None:
    files = {
        "sys/class/hwmon/hwmon0/name": "k10temp\n",
        "sys/class/hwmon/hwmon0/temp1_input": "72000\n",
        "sys/class/hwmon/hwmon0/temp1_label": "Tctl\n",
        "sys/class/hwmon/hwmon0/temp2_input": "45000\n",
        "sys/class/hwmon/hwmon0/temp2_label": "Tdie\n",
    }
    assert snapshot(fake_machines.build(tmp_path, files)).temperature_c == 45.0


def test_a_state_survives_json(tmp_path: Path) -> None:
    for number, machine in enumerate(
        (fake_machines.intel_desktop, fake_machines.container, fake_machines.not_linux)
    ):
        state = snapshot(fake_machines.build(tmp_path / str(number), machine()))
        assert from_json(to_json(state), HostState) == state


def test_this_very_machine() -> None:
    before, after = snapshot(), snapshot()
    assert from_json(to_json(before), HostState) == before
    assert between(before, after).window_s > 0


def test_kernel_lists() -> None:
    assert parse_cpu_list("0-2,8\n") == (0, 1, 2, 8)
    assert parse_cpu_list("") == ()
    for text in ("all", "-3", "0-", "0-4294967295", "9" * 5000):
        with pytest.raises(ValueError, match="names no CPUs"):
            parse_cpu_list(text)


def test_a_processor_whose_counters_are_none_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(f"cpu0 1 2 3 4\ncpu1 1 {'9' * 30} 3 4\n")
    assert list(cpu_times(Roots(tmp_path, tmp_path))) == [0]


def test_numbers_that_no_counter_has() -> None:
    assert [whole(text) for text in ("0", "42", str(2**64 - 1))] == [0, 42, 2**64 - 1]
    assert [whole(text) for text in ("", "-1", "1.5", "\u00b2", "9" * 21)] == [None] * 5


def test_a_refused_file_is_unknown(tmp_path: Path) -> None:
    built = fake_machines.build(tmp_path, fake_machines.intel_desktop())

    def read(path: Path) -> str:
        if path.name == "loadavg":
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    state = snapshot(Roots(built.proc, built.sys, read))
    assert state.load_average is None
    assert state.governor == "powersave"
