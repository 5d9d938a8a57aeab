"""A stand-in for the module `pynvml`: the calls that hwprof makes, with its real errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

UUID = "GPU-00112233-4455-6677-8899-aabbccddeeff"


@dataclass
class Board:
    """One GPU. A query named in `unsupported` raises what the driver would."""

    name: str = "NVIDIA H200"
    uuid: str = UUID
    power_mw: int = 310_000
    energy_mj: int = 5_000_000
    energy_step_mj: int = 0
    """What each reading of the counter adds."""
    reasons: int = 0x4
    violation_ns: int = 250_000_000
    unsupported: set[str] = field(default_factory=set)


class FakeNvml:
    """Offers each function as an attribute, as the module does."""

    NVMLError = pynvml.NVMLError
    NVML_PERF_POLICY_POWER = pynvml.NVML_PERF_POLICY_POWER
    NVML_PERF_POLICY_THERMAL = pynvml.NVML_PERF_POLICY_THERMAL
    NVML_CLOCK_SM = pynvml.NVML_CLOCK_SM
    NVML_CLOCK_MEM = pynvml.NVML_CLOCK_MEM
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, *boards: Board, broken: int | None = None) -> None:
        self.boards = boards
        self._broken = broken

    def _need(self, board: Board, query: str) -> Board:
        if query in board.unsupported:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return board

    def nvmlInit(self) -> None:
        if self._broken is not None:
            raise pynvml.NVMLError(self._broken)

    def nvmlDeviceGetCount(self) -> int:
        return len(self.boards)

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.86.10"

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Board:
        if index >= len(self.boards):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return self.boards[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Board:
        for board in self.boards:
            if board.uuid == uuid:
                return board
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetName(self, board: Board) -> str:
        return self._need(board, "name").name

    def nvmlDeviceGetUUID(self, board: Board) -> str:
        return board.uuid

    def nvmlDeviceGetMemoryInfo(self, board: Board) -> Any:
        self._need(board, "memory")
        return SimpleNamespace(total=141 << 30, used=3 << 30, free=138 << 30)

    def nvmlDeviceGetEnforcedPowerLimit(self, board: Board) -> int:
        self._need(board, "limit")
        return 700_000

    def nvmlDeviceGetPowerUsage(self, board: Board) -> int:
        return self._need(board, "power").power_mw

    def nvmlDeviceGetTotalEnergyConsumption(self, board: Board) -> int:
        self._need(board, "energy").energy_mj += board.energy_step_mj
        return board.energy_mj

    def nvmlDeviceGetClockInfo(self, board: Board, kind: int) -> int:
        self._need(board, "clock")
        return {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 3201}[kind]

    def nvmlDeviceGetTemperature(self, board: Board, sensor: int) -> int:
        assert sensor == pynvml.NVML_TEMPERATURE_GPU
        self._need(board, "temperature")
        return 54

    def nvmlDeviceGetCurrentClocksEventReasons(self, board: Board) -> int:
        return self._need(board, "event reasons").reasons

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, board: Board) -> int:
        return self._need(board, "reasons").reasons

    def nvmlDeviceGetViolationStatus(self, board: Board, policy: int) -> Any:
        self._need(board, "violations")
        power = policy == pynvml.NVML_PERF_POLICY_POWER
        return SimpleNamespace(referenceTime=0, violationTime=board.violation_ns if power else 0)
