"""This end of a worker: starts it, relays calls, and checks what it answers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import ProfiledRun
from hwprof.devices.profiled_runs import ROUNDS
from hwprof.devices.registry import Listed, check, names, parse
from hwprof.errors import DeviceError, HwprofError, MeasurementError, OptionError
from hwprof.machine.host import HostState, MachineFacts, Pin
from hwprof.measurement import Energy, Memory
from hwprof.models.base import Model
from hwprof.models.outputs import OutputTensor
from hwprof.samples import Samples
from hwprof.scratch import scratch_folder
from hwprof.targets.base import ANYWHERE, Run, Target
from hwprof.targets.channel import Channel
from hwprof.targets.files import by_hash, by_size, parts_of, send, values_file
from hwprof.targets.patience import Patience
from hwprof.targets.process import LocalPython
from hwprof.targets.protocol import Asked, Open, Opened, Opening, Overhead, Runs
from hwprof.targets.stream import Launcher

LOOKS_AT_ONCE = 4
# No model has a part of this name: a part is called by the end of a path.
VALUES = "hwprof values"


class WorkerRun(Run):
    """A model open in a worker."""

    def __init__(
        self, launcher: Launcher, model: Model, opening: Open, patience: Patience | None = None
    ) -> None:
        """Raises what the worker reports: ModelError, DeviceError or MeasurementError."""
        self._patience = patience or Patience()
        self._slowest_s: float | None = None
        subject = f"measuring '{model.path.name}'"
        self.channel = Channel(launcher.start(), subject, patience=self._patience)
        try:
            # The target reads given values while it opens the model, and keeps them.
            with scratch_folder() as folder:
                self._opened = self._open(model, opening, Path(folder, VALUES))
        except BaseException:
            # Ctrl-C included: an unfinished opening must not leave its process behind.
            self.channel.close()
            raise

    def _open(self, model: Model, opening: Open, values: Path) -> Opened:
        if model.given:
            by_path = bool(opening.path)
            opening = replace(
                opening,
                values=values_file(model, values, hashed=not by_path),
                values_path=str(values) if by_path else "",
            )
        answer = self._ask_to_open(opening)
        if answer.opened is None and opening.path:
            # The path leads to nothing there, or to something else.
            opening = replace(opening, files=by_hash(model), path="", values_path="")
            if opening.values is not None:
                opening = replace(opening, values=values_file(model, values, hashed=True))
            answer = self._ask_to_open(opening)
        if answer.opened is None:
            paths = {**parts_of(model), VALUES: values}
            send(self.channel, paths, opening.everything, answer.need)
            answer = self._ask_to_open(opening)
        if answer.opened is None:
            raise self.channel.unreadable("it still asks for files that it was sent")
        taken, pin = answer.opened.cpus, opening.pin
        fits = len(taken) in (0, pin.quiet)
        if sorted(taken) != sorted(pin.cpus) if pin.cpus else not fits:
            raise self.channel.unreadable(f"it runs on processors {taken}, unlike what was asked")
        return answer.opened

    def _ask_to_open(self, opening: Open) -> Opening:
        return self.channel.ask("open", Opening, opening, wait_s=self._patience.opening_s)

    @property
    def setup_s(self) -> float:
        return self._opened.setup_s

    @property
    def cpus(self) -> tuple[int, ...]:
        return self._opened.cpus

    def time(self, samples: int, loops: int = 1) -> Samples:
        wait_s = self._patience.first_run_s
        if self._slowest_s is not None:
            wait_s = self._patience.runs_s(self._slowest_s * samples * loops)
        timed = self.channel.ask("time", Samples, Runs(samples, loops), wait_s=wait_s)
        if (len(timed), timed.loops) != (samples, loops):
            raise self.channel.unreadable(
                f"{len(timed)} samples of {timed.loops} runs instead of {samples} of {loops}"
            )
        if not timed.wall_s.all():
            raise self.channel.unreadable("a run that took no time at all")
        self._slowest_s = max(self._slowest_s or 0.0, float(timed.wall_s.max()))
        return timed

    def outputs(self) -> tuple[OutputTensor, ...]:
        # It may be the first run, as where nothing but the outputs is asked for.
        wait_s = max(self._patience.first_run_s, self._patience.runs_s(self._slowest_s or 0.0))
        return self.channel.ask("outputs", tuple[OutputTensor, ...], wait_s=wait_s)

    def overhead_s(self) -> float | None:
        return self.channel.ask("overhead_s", Overhead).seconds

    def memory(self) -> Memory:
        memory = self.channel.ask("memory", Memory)
        figures = (
            memory.baseline_rss_bytes,
            memory.peak_rss_bytes,
            memory.accelerator_peak_bytes,
        )
        if any(figure is not None and figure < 0 for figure in figures):
            raise self.channel.unreadable("less memory than none")
        return memory

    def profile(self, runs: int) -> ProfiledRun:
        wait_s = self._patience.profile_s(runs * (self._slowest_s or 0.0))
        profiled = self.channel.ask("profile", ProfiledRun, Runs(runs), wait_s=wait_s)
        found = len(profiled.profile.run_wall_s)
        if not 1 <= found <= ROUNDS * runs:
            raise self.channel.unreadable(
                f"a profile of {found} runs instead of 1 to {ROUNDS * runs}"
            )
        if (profiled.profile.run_wall_s < 0).any():
            raise self.channel.unreadable("a profiled run of less than no time")
        return profiled

    def energy(self) -> Energy:
        return self.channel.ask("energy", Energy, wait_s=self._patience.energy_s)

    def host_state(self) -> HostState:
        return self.channel.ask("host_state", HostState)

    def facts(self) -> MachineFacts:
        return self.channel.ask("facts", MachineFacts)

    def close(self) -> None:
        self.channel.close()


def spec_in_worker(
    device: str, options: Mapping[str, str], meter: str = "", launcher: Launcher | None = None
) -> DeviceSpec:
    """The spec of a device, found in a process of its own.

    Runtimes are heavy to import, and two of them in one process may not get on. Raises DeviceError
    for one that is unavailable or broken, OptionError for an option or a meter there is not.
    """
    channel = Channel((launcher or LocalPython()).start(), f"looking at device {device}")
    try:
        return channel.ask("spec", DeviceSpec, Asked(device, options, meter))
    except MeasurementError as error:
        raise DeviceError(f"device {device} cannot be used: {error}") from error
    finally:
        channel.close()


def list_devices(launcher: Launcher | None = None) -> tuple[Listed, ...]:
    """Every device known there, with the reason it cannot be used there, if any.

    Raises MeasurementError when there is no answer.
    """
    channel = Channel((launcher or LocalPython()).start(), "listing the devices")
    try:
        return channel.ask("devices", tuple[Listed, ...])
    finally:
        channel.close()


def look_at_devices(
    listed: Sequence[Listed], launcher: Launcher | None = None
) -> tuple[Listed, ...]:
    """The same devices with their specs, those that turn out to be broken marked unavailable.

    Each is opened in its own process, several at a time: a runtime may be installed and yet not
    import.
    """

    def look(device: Listed) -> Listed:
        if not device.available:
            return device
        try:
            return replace(device, spec=spec_in_worker(device.name, {}, launcher=launcher))
        except HwprofError as error:
            return replace(device, available=False, reason=str(error))

    with ThreadPoolExecutor(LOOKS_AT_ONCE) as threads:
        return tuple(threads.map(look, listed))


class WorkerTarget(Target):
    """A fresh process for every model that is opened, started by `launcher`.

    `meter` names the energy meter, else `$HWPROF_METER` does, else the best one is taken.
    `timeout_s` bounds every call of a worker, in seconds; else bounds grow with the model's own
    runs (`hwprof.targets.patience`).
    """

    def __init__(
        self,
        device: str,
        options: Mapping[str, str] | None = None,
        meter: str | None = None,
        launcher: Launcher | None = None,
        timeout_s: float | None = None,
    ) -> None:
        """Raises DeviceError for an unknown device, OptionError for an option it does not have.

        Whether the device is available only `spec` and `start` find out, where it runs.
        """
        name, own = parse(device)
        self._device = name
        self._options = {**own, **(options or {})}
        self._meter = meter or os.environ.get("HWPROF_METER") or ""
        self._launcher = launcher or LocalPython()
        tuned = self._options.get("tune", "")
        self._patience = Patience(timeout_s, int(tuned) if _is_number(tuned) else 0)
        self._spec: DeviceSpec | DeviceError | OptionError | None = None
        # Another place may have devices that are unknown here, and folders to name in options.
        known = self._launcher.shares_files and name in names()
        if known or self._launcher.shares_packages:
            check(name, self._options)

    @property
    def spec(self) -> DeviceSpec:
        if self._spec is None:
            try:
                self._spec = spec_in_worker(
                    self._device, self._options, self._meter, self._launcher
                )
            except (DeviceError, OptionError) as error:
                # A campaign over many models need not ask for each of them.
                self._spec = error
        if isinstance(self._spec, HwprofError):
            raise type(self._spec)(str(self._spec))
        return self._spec

    def start(self, model: Model, pin: Pin = ANYWHERE) -> Run:
        # Links are left alone: weights lie beside the link, not beside what it leads to.
        path = _as_text(str(model.path.absolute())) if self._launcher.shares_files else ""
        return WorkerRun(
            self._launcher,
            model,
            Open(
                self._device,
                self._options,
                model.subject,
                by_size(model) if path else by_hash(model),
                path,
                model.format,
                model.needed_bytes,
                pin,
                self._meter,
            ),
            self._patience,
        )


def _as_text(path: str) -> str:
    """A path that can be said in JSON; empty for one that is not UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return ""
    return path


def _is_number(text: str) -> bool:
    """Whether an option is a number of trials that a tuner may really be asked for."""
    return text.isascii() and text.isdecimal() and len(text) <= 6
