"""NVIDIA's management library (NVML): which GPUs there are, and what state they are in.

Source: NVML API reference, and nvidia-ml-py, its Python binding. Most queries are optional by
board and driver, so each is tried on its own, and what is not supported is None.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from hwprof.errors import DeviceError
from hwprof.machine.gpu.state import GpuState, reasons

_NS = 1e-9


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What a GPU is. It does not change while the machine runs."""

    name: str
    uuid: str
    """`GPU-...`, or `MIG-...` for a slice of one."""
    driver: str
    memory_bytes: int | None
    power_limit_w: float | None
    """The limit that is enforced: the same board with a lower one is a slower GPU."""

    @property
    def description(self) -> str:
        """Name, driver and power limit: what decides speed, and nothing that differs per board."""
        parts = [self.name]
        if self.uuid.startswith("MIG-") and "MIG" not in self.name:
            parts[0] += " (MIG slice)"
        parts.append(f"driver {self.driver}")
        if self.power_limit_w is not None:
            parts.append(f"{self.power_limit_w:.0f} W")
        return ", ".join(parts)


class Nvml:
    """NVML, initialised. `api` is the module `pynvml`, or one that stands in for it."""

    def __init__(self, api: Any) -> None:
        """Raises DeviceError when there is no driver or no GPU."""
        self._api = api
        try:
            api.nvmlInit()
        except api.NVMLError as error:
            raise DeviceError(
                f"no NVIDIA driver was found ({_words(error)}); "
                "use a machine with an NVIDIA GPU and its driver"
            ) from error
        if self.count() == 0:
            raise DeviceError(
                "the NVIDIA driver sees no GPU; check that one is installed and, in a container, "
                "that it was started with access to it"
            )

    def count(self) -> int:
        """How many GPUs the driver sees, whatever CUDA_VISIBLE_DEVICES says."""
        return int(self._try(self._api.nvmlDeviceGetCount) or 0)

    def by_uuid(self, uuid: str) -> Gpu:
        """The GPU, or slice of one, with `uuid`. Raises DeviceError."""
        try:
            return Gpu(self, self._api, self._api.nvmlDeviceGetHandleByUUID(uuid))
        except self._api.NVMLError as error:
            raise DeviceError(
                f"the NVIDIA driver does not know the GPU {uuid} ({_words(error)}); "
                "choose another with device=N"
            ) from error

    def by_index(self, index: int) -> Gpu:
        """The GPU with NVML's own number, which need not be CUDA's. Raises DeviceError."""
        try:
            return Gpu(self, self._api, self._api.nvmlDeviceGetHandleByIndex(index))
        except self._api.NVMLError as error:
            raise DeviceError(
                f"there is no GPU {index} ({_words(error)}); this machine has "
                f"{self.count()}, numbered from 0"
            ) from error

    def driver(self) -> str:
        """Version of the driver, `unknown` where it does not tell."""
        return _text(self._try(self._api.nvmlSystemGetDriverVersion) or "unknown")

    def _try(self, query: Callable[..., Any], *arguments: object) -> Any:
        """What the query gives, None where this GPU or driver does not support it."""
        try:
            return query(*arguments)
        except self._api.NVMLError:
            return None


class Gpu:
    """One GPU as NVML sees it."""

    def __init__(self, nvml: Nvml, api: Any, handle: Any) -> None:
        self._nvml = nvml
        self._api = api
        self._handle = handle

    @property
    def facts(self) -> GpuFacts:
        memory = self._ask(self._api.nvmlDeviceGetMemoryInfo)
        limit_mw = self._ask(self._api.nvmlDeviceGetEnforcedPowerLimit)
        return GpuFacts(
            name=_text(self._ask(self._api.nvmlDeviceGetName) or "NVIDIA GPU"),
            uuid=_text(self._ask(self._api.nvmlDeviceGetUUID) or ""),
            driver=self._nvml.driver(),
            memory_bytes=None if memory is None else int(memory.total),
            power_limit_w=None if limit_mw is None else limit_mw / 1e3,
        )

    def state(self) -> GpuState:
        """Clocks, heat, power and limits now. Raises nothing."""
        api = self._api
        memory = self._ask(api.nvmlDeviceGetMemoryInfo)
        # Drivers before 535 know the query by its old name alone.
        mask = self._ask(api.nvmlDeviceGetCurrentClocksEventReasons)
        if mask is None:
            mask = self._ask(api.nvmlDeviceGetCurrentClocksThrottleReasons)
        slowed = {
            "power": self._slowed_s(api.NVML_PERF_POLICY_POWER),
            "heat": self._slowed_s(api.NVML_PERF_POLICY_THERMAL),
        }
        return GpuState(
            name=_text(self._ask(api.nvmlDeviceGetName) or "NVIDIA GPU"),
            uuid=_text(self._ask(api.nvmlDeviceGetUUID) or ""),
            clock_hz=_scaled(self._ask(api.nvmlDeviceGetClockInfo, api.NVML_CLOCK_SM), 1e6),
            memory_clock_hz=_scaled(self._ask(api.nvmlDeviceGetClockInfo, api.NVML_CLOCK_MEM), 1e6),
            temperature_c=_scaled(
                self._ask(api.nvmlDeviceGetTemperature, api.NVML_TEMPERATURE_GPU), 1.0
            ),
            power_w=_scaled(self._ask(api.nvmlDeviceGetPowerUsage), 1e-3),
            power_limit_w=_scaled(self._ask(api.nvmlDeviceGetEnforcedPowerLimit), 1e-3),
            memory_used_bytes=None if memory is None else int(memory.used),
            limits=() if mask is None else reasons(int(mask)),
            slowed_s={limit: seconds for limit, seconds in slowed.items() if seconds is not None},
        )

    def energy_j(self) -> float:
        """Joules since the driver was loaded (Volta and later). Raises DeviceError."""
        return self._need(self._api.nvmlDeviceGetTotalEnergyConsumption, "its energy") * 1e-3

    def power_w(self) -> float:
        """Power of the whole board now, watts. Raises DeviceError.

        From Ampere on (but for GA100) the driver gives the average of the last second.
        """
        return self._need(self._api.nvmlDeviceGetPowerUsage, "its power") * 1e-3

    def _slowed_s(self, policy: int) -> float | None:
        status = self._ask(self._api.nvmlDeviceGetViolationStatus, policy)
        return None if status is None else int(status.violationTime) * _NS

    def _need(self, query: Callable[..., Any], what: str) -> float:
        try:
            return float(query(self._handle))
        except self._api.NVMLError as error:
            name = _text(self._ask(self._api.nvmlDeviceGetName) or "the GPU")
            raise DeviceError(
                f"{name} does not tell {what} ({_words(error)}); use another meter"
            ) from error

    def _ask(self, query: Callable[..., Any], *arguments: object) -> Any:
        """As `Nvml._try`, of this GPU."""
        try:
            return query(self._handle, *arguments)
        except self._api.NVMLError:
            return None


def _scaled(value: Any, factor: float) -> float | None:
    return None if value is None else float(value) * factor


def _text(value: str | bytes) -> str:
    # Bindings before 11.515 gave bytes.
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _words(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__


def import_binding() -> ModuleType:
    """nvidia-ml-py. Raises DeviceError when it is not usable."""
    try:
        import pynvml
    except ImportError as error:
        raise DeviceError(
            f"nvidia-ml-py does not import ({error}); install it with pip install 'hwprof[nvml]'"
        ) from error
    module: ModuleType = pynvml
    return module


@cache
def open_nvml() -> Nvml:
    """NVML of this machine, initialised once per process. Raises DeviceError with the reason."""
    return Nvml(import_binding())


def obstacle() -> str:
    """Why no NVIDIA GPU can be used here; empty when one can. Cheap, and creates no context."""
    try:
        open_nvml()
    except DeviceError as error:
        return str(error)
    return ""
