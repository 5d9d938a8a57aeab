"""This end of a worker: starts it, relays calls, and tells what killed it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hwprof.codec import CodecError, Raw, from_json, to_json
from hwprof.device_spec import DeviceSpec
from hwprof.devices import scratch
from hwprof.devices.base import Model, ProfiledRun
from hwprof.devices.host import HostState
from hwprof.devices.outputs import OutputTensor
from hwprof.devices.registry import Listed, connect, parse
from hwprof.devices.target import Run, Target
from hwprof.devices.worker.protocol import (
    ERRORS,
    VERSION,
    Call,
    Open,
    Opened,
    Overhead,
    Refusal,
    SpecOf,
)
from hwprof.errors import DeviceError, HwprofError, MeasurementError
from hwprof.measurement import Energy, Memory
from hwprof.samples import Samples

T = TypeVar("T")

GRACE_S = 5.0
# -P: the folder hwprof is started in must not shadow any module of the worker.
# Runtimes that the core imports anyway: their specs are asked for in this process.
LIGHT = frozenset({"onnxruntime-cpu"})
LOOKS_AT_ONCE = 4
COMMAND = (sys.executable, "-P", "-m", "hwprof.devices.worker")


def _environment() -> dict[str, str]:
    """Our environment, with a source checkout of hwprof made importable."""
    environment = dict(os.environ)
    home = Path(__file__).resolve().parents[3]
    if not {"site-packages", "dist-packages"} & set(home.parts):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = str(home) if not known else f"{home}{os.pathsep}{known}"
    return environment


class Channel:
    """A worker process of ours and the lines spoken with it."""

    def __init__(self, subject: str) -> None:
        """Start a worker that serves `subject`, as messages call it.

        Raises MeasurementError when no process can be started.
        """
        self._subject = subject
        self._scratch = tempfile.TemporaryDirectory(prefix="hwprof-", ignore_cleanup_errors=True)
        self._log = tempfile.TemporaryFile(prefix="hwprof-worker-")  # noqa: SIM115 - close() ends it
        try:
            self.process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=_environment() | {scratch.VARIABLE: self._scratch.name},
                # Ctrl-C reaches hwprof alone, which then closes its workers.
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            self._scratch.cleanup()
            raise MeasurementError(
                f"cannot start a worker process ({error}); close other programs and try again"
            ) from error

    def ask(self, message: Any, kind: type[T]) -> T:
        """Send one message and decode its reply. Raises the error that the worker reports."""
        stdin, stdout = self.process.stdin, self.process.stdout
        if stdin is None or stdout is None or self.process.returncode is not None:
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
            self.process.wait(GRACE_S)  # its output ended, so it is about to
        except subprocess.TimeoutExpired:
            self.process.kill()
        code = self.process.wait()
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        self.close()
        if code == -signal.SIGKILL:
            return (
                f"the worker {self._subject} was killed, most likely because memory "
                "ran out; use a smaller --batch or --shape, or a machine with more memory"
            )
        last = lines[-1][:300] if lines else "it printed nothing"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"the worker {self._subject} died with {how} ({last}); "
            "the runtime crashed on this model: try another version of it"
        )

    def close(self) -> None:
        """End the worker. Calling it again does nothing."""
        _kill(self.process)
        self._log.close()
        self._scratch.cleanup()


class WorkerRun(Run):
    """A model open in a worker process."""

    def __init__(self, opening: Open) -> None:
        """Raises what the worker reports: ModelError, DeviceError or MeasurementError."""
        self.channel = Channel(f"measuring '{Path(opening.path).name}'")
        try:
            self._setup_s = self.channel.ask(opening, Opened).setup_s
        except BaseException:
            # Ctrl-C included: an unfinished opening must not leave its process behind.
            self.channel.close()
            raise

    @property
    def setup_s(self) -> float:
        return self._setup_s

    def time(self, samples: int, loops: int = 1) -> Samples:
        return self.channel.ask(Call("time", {"samples": samples, "loops": loops}), Samples)

    def outputs(self) -> tuple[OutputTensor, ...]:
        return self.channel.ask(Call("outputs"), tuple[OutputTensor, ...])

    def overhead_s(self) -> float | None:
        # A union is no class, and what is expected may be one.
        return self.channel.ask(Call("overhead_s"), Overhead).seconds

    def memory(self) -> Memory:
        return self.channel.ask(Call("memory"), Memory)

    def profile(self, runs: int) -> ProfiledRun:
        return self.channel.ask(Call("profile", {"runs": runs}), ProfiledRun)

    def energy(self) -> Energy:
        return self.channel.ask(Call("energy"), Energy)

    def host_state(self) -> HostState:
        return self.channel.ask(Call("host_state"), HostState)

    def close(self) -> None:
        self.channel.close()


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


def spec_in_worker(device: str, options: Mapping[str, str]) -> DeviceSpec:
    """The spec of a device, found in a process of its own.

    Runtimes are heavy to import, and two of them in one process may not get on. Raises DeviceError
    for one that is installed but broken.
    """
    channel = Channel(f"looking at device {device}")
    try:
        return channel.ask(SpecOf(VERSION, device, options), DeviceSpec)
    except MeasurementError as error:
        raise DeviceError(f"device {device} cannot be used: {error}") from error
    finally:
        channel.close()


def look_at_devices(listed: Sequence[Listed]) -> tuple[Listed, ...]:
    """The same devices with their specs, those that turn out to be broken marked unavailable.

    Each is opened in its own process, several at a time: a runtime may be installed and yet not
    import.
    """

    def look(device: Listed) -> Listed:
        if not device.available:
            return device
        try:
            return replace(device, spec=spec_in_worker(device.name, {}))
        except HwprofError as error:
            return replace(device, available=False, reason=str(error))

    with ThreadPoolExecutor(LOOKS_AT_ONCE) as threads:
        return tuple(threads.map(look, listed))


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
            if self._device in LIGHT:
                self._spec = connect(self._device, self._options).spec
            else:
                self._spec = spec_in_worker(self._device, self._options)
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
        return WorkerRun(opening)
