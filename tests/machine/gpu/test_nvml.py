from __future__ import annotations

from dataclasses import replace

import pynvml
import pytest

from hwprof.codec import from_json, to_json
from hwprof.conditions import GpuConditions, GpuMoment
from hwprof.errors import DeviceError
from hwprof.machine.gpu.nvml import Nvml, obstacle, open_nvml
from hwprof.machine.gpu.state import GpuState, reasons, slowed_between
from hwprof.machine.host import HostState, snapshot
from hwprof.profiler.conditions import gpu_conditions, gpu_moment
from tests.machine.gpu.fake_nvml import UUID, Board, FakeNvml

EVERYTHING = {"name", "memory", "limit", "power", "energy", "clock", "temperature"} | {
    "event reasons",
    "reasons",
    "violations",
}


def test_what_a_board_tells() -> None:
    gpu = Nvml(FakeNvml(Board())).by_uuid(UUID)
    assert gpu.facts.description == "NVIDIA H200, driver 570.86.10, 700 W"
    state = gpu.state()
    told = "1980 MHz, memory 3201 MHz, 54 C, 310 W of 700 W, power cap"
    assert gpu_moment(state).text == told
    assert state.slowed_s == {"power": 0.25, "heat": 0.0}
    assert state.slowing == ("power cap",)
    assert from_json(to_json(state), GpuState) == state


def test_a_board_that_tells_nothing_leaves_nothing_made_up() -> None:
    gpu = Nvml(FakeNvml(Board(unsupported=EVERYTHING))).by_index(0)
    assert gpu.state() == GpuState("NVIDIA GPU", UUID)
    assert gpu.facts.description == "NVIDIA GPU, driver 570.86.10"
    with pytest.raises(DeviceError, match="does not tell its energy"):
        gpu.energy_j()


def test_an_older_driver_knows_the_reasons_by_their_old_name() -> None:
    gpu = Nvml(FakeNvml(Board(unsupported={"event reasons"}))).by_index(0)
    assert gpu.state().limits == ("power cap",)


def test_a_slice_is_not_taken_for_the_whole() -> None:
    board = Board(uuid="MIG-1")
    assert "MIG slice" in Nvml(FakeNvml(board)).by_uuid("MIG-1").facts.description


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (0, ()),
        (0x1, ("idle",)),
        (0x44, ("power cap", "thermal slowdown by the hardware")),
        (0x1000, ("reason 0x1000",)),
    ],
)
def test_reasons_in_words(mask: int, words: tuple[str, ...]) -> None:
    assert reasons(mask) == words


def test_the_bits_are_those_of_the_library() -> None:
    assert reasons(pynvml.nvmlClocksEventReasonSwPowerCap) == ("power cap",)
    assert reasons(pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown) == ("power brake",)
    assert reasons(pynvml.nvmlClocksEventReasonGpuIdle) == ("idle",)


@pytest.mark.parametrize(
    ("api", "says"),
    [
        (FakeNvml(broken=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND), "no NVIDIA driver was found"),
        (FakeNvml(), "sees no GPU"),
    ],
)
def test_no_gpu_is_one_sentence(api: FakeNvml, says: str) -> None:
    with pytest.raises(DeviceError, match=says) as error:
        Nvml(api)
    assert "\n" not in str(error.value)


def test_unknown_gpus_are_refused() -> None:
    nvml = Nvml(FakeNvml(Board()))
    with pytest.raises(DeviceError, match=r"no GPU 3 .*has 1"):
        nvml.by_index(3)
    with pytest.raises(DeviceError, match="does not know the GPU GPU-0"):
        nvml.by_uuid("GPU-0")


def test_this_very_machine() -> None:
    reason = obstacle()
    if reason:
        with pytest.raises(DeviceError) as error:
            open_nvml()
        assert str(error.value) == reason
    else:
        assert open_nvml().count() > 0


def test_slow_downs_reach_the_record() -> None:
    def at(state: GpuState | None) -> HostState:
        return replace(snapshot(), gpu=state)

    cool = GpuState("H200", UUID, clock_hz=1.98e9, slowed_s={"power": 1.0, "heat": 0.0})
    capped = replace(cool, slowed_s={"power": 1.5, "heat": 0.0}, limits=("power cap",))
    assert slowed_between(cool, capped) == {"power": 0.5, "heat": 0.0}
    assert slowed_between(capped, cool) == {"heat": 0.0}
    # Two restarts: what slowed either down counts.
    found = gpu_conditions([at(cool), at(capped), at(capped), at(replace(cool, slowed_s={}))])
    assert found == GpuConditions(
        "H200",
        UUID,
        before=GpuMoment(clock_hz=1.98e9),
        after=GpuMoment(clock_hz=1.98e9),
        slowed_s={"power": 0.5, "heat": 0.0},
        slowing=("power cap",),
    )
    assert found.slowed == "power 0.500 s, power cap"
    quiet = gpu_conditions([at(cool), at(cool)])
    assert quiet is not None
    assert quiet.slowed == ""
    assert gpu_conditions([at(None), at(None)]) is None
