"""This end of a worker: starts it, relays calls, and tells what killed it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, TypeVar

from hwprof.codec import CodecError, Raw, from_json, to_json
from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Model, ProfiledRun
from hwprof.devices.host import HostState
from hwprof.devices.outputs import OutputTensor
from hwprof.devices.registry import connect, parse
from hwprof.devices.target import Run, Target
from hwprof.devices.worker.protocol import (
    ERRORS,
    VERSION,
    Call,
    Open,
    Opened,
    Overhead,
    Refusal,
)
from hwprof.errors import MeasurementError
from hwprof.measurement import Energy, Memory
from hwprof.samples import Samples

T = TypeVar("T")

GRACE_S = 5.0
# -P: the folder hwprof is started in must not shadow any module of the worker.
COMMAND = (sys.executable, "-P", "-m", "hwprof.devices.worker")


def _environment() -> dict[str, str]:
    """Our environment, with a source checkout of hwprof made importable."""
    environment = dict(os.environ)
    home = Path(__file__).resolve().parents[3]
    if not {"site-packages", "dist-packages"} & set(home.parts):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = str(home) if not known else f"{home}{os.pathsep}{known}"
    return environment


class WorkerRun(Run):
    """A model open in a worker process."""

    def __init__(self, process: subprocess.Popen[bytes], log: IO[bytes], opening: Open) -> None:
        self._process = process
        self._log = log
        self._name = Path(opening.path).name
        self._setup_s = self._exchange(opening, Opened).setup_s

    def _exchange(self, message: Any, kind: type[T]) -> T:
        """Send one message and decode its reply. Raises the error that the worker reports."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None or self._process.returncode is not None:
            raise MeasurementError("the worker is closed; start the measurement again")
        try:
            stdin.write(to_json(message) + b"\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line.endswith(b"\n"):
            raise MeasurementError(self._obituary())
        try:
            reply = from_json(line, dict[str, Raw])
            if "error" in reply:
                refusal = from_json(bytes(reply["error"]), Refusal)
                raise ERRORS.get(refusal.kind, MeasurementError)(refusal.message)
            return from_json(bytes(reply["ok"]), kind)
        except (CodecError, KeyError) as error:
            raise MeasurementError(
                f"the worker answered something unreadable ({error}); "
                "install the same hwprof on both ends"
            ) from error

    def _obituary(self) -> str:
        """Why the worker is gone, in one sentence."""
        try:
            self._process.wait(GRACE_S)  # its output ended, so it is about to
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self._process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        self.close()
        if code == -signal.SIGKILL:
            return (
                f"the worker measuring '{self._name}' was killed, most likely because memory "
                "ran out; use a smaller --batch or --shape, or a machine with more memory"
            )
        last = lines[-1][:300] if lines else "it printed nothing"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"the worker measuring '{self._name}' died with {how} ({last}); "
            "the runtime crashed on this model: try another version of it"
        )

    @property
    def setup_s(self) -> float:
        return self._setup_s

    def time(self, samples: int, loops: int = 1) -> Samples:
        return self._exchange(Call("time", {"samples": samples, "loops": loops}), Samples)

    def outputs(self) -> tuple[OutputTensor, ...]:
        return self._exchange(Call("outputs"), tuple[OutputTensor, ...])

    def overhead_s(self) -> float | None:
        # A union is no class, and what is expected may be one.
        return self._exchange(Call("overhead_s"), Overhead).seconds

    def memory(self) -> Memory:
        return self._exchange(Call("memory"), Memory)

    def profile(self, runs: int) -> ProfiledRun:
        return self._exchange(Call("profile", {"runs": runs}), ProfiledRun)

    def energy(self) -> Energy:
        return self._exchange(Call("energy"), Energy)

    def host_state(self) -> HostState:
        return self._exchange(Call("host_state"), HostState)

    def close(self) -> None:
        _kill(self._process)
        self._log.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a worker, which holds nothing worth a slow goodbye, and close its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            try:
                stream.close()
            except BrokenPipeError:  # unsent bytes to a dead worker
                continue


class WorkerTarget(Target):
    """A fresh local process for every model that is opened.

    `meter` names the energy meter, else `$HWPROF_METER` does, else the best one is taken.
    """

    def __init__(
        self, device: str, options: Mapping[str, str] | None = None, meter: str | None = None
    ) -> None:
        name, own = parse(device)
        self._device = name
        self._options = {**own, **(options or {})}
        self._spec: DeviceSpec | None = None
        connect(self._device, self._options)  # a wrong name or option is refused here
        self._meter = meter or os.environ.get("HWPROF_METER") or ""
        if self._meter:
            # Imported here: looking for meters is slow to import.
            from hwprof.devices.meters import require_meter

            require_meter(self._meter)

    @property
    def spec(self) -> DeviceSpec:
        if self._spec is None:
            self._spec = connect(self._device, self._options).spec
        return self._spec

    def start(self, model: Model, cpus: tuple[int, ...] = ()) -> Run:
        opening = Open(
            VERSION,
            self._device,
            self._options,
            str(model.path.resolve()),
            model.subject,
            cpus,
            model.format,
            self._meter,
        )
        log = tempfile.TemporaryFile(prefix="hwprof-worker-")  # noqa: SIM115 - the run closes it
        try:
            process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_environment(),
                # Ctrl-C reaches hwprof alone, which then closes its workers.
                start_new_session=True,
            )
        except OSError as error:
            log.close()
            raise MeasurementError(
                f"cannot start a worker process ({error}); close other programs and try again"
            ) from error
        try:
            return WorkerRun(process, log, opening)
        except BaseException:
            # Ctrl-C included: an unfinished opening must not leave its process behind.
            _kill(process)
            log.close()
            raise
