"""Answers the requests of `protocol`, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from hwprof.codec import CodecError, from_json, to_builtins, to_json
from hwprof.devices.registry import available, connect
from hwprof.errors import DeviceError, HwprofError, ModelError
from hwprof.machine.host import machine_facts, place
from hwprof.models.base import Model
from hwprof.models.inputs.stored import Value, read_values, value_hash
from hwprof.targets.agent.depot import Depot
from hwprof.targets.base import Run
from hwprof.targets.local import LocalTarget
from hwprof.targets.protocol import (
    ERRORS,
    MAX_LINE_BYTES,
    VERSION,
    Asked,
    ModelFile,
    Open,
    Opened,
    Opening,
    Overhead,
    Refusal,
    Request,
    Runs,
    Stored,
)

T = TypeVar("T")


class Server:
    """One conversation: it may ask about devices, send a model and open it, once."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies
        self._depot = Depot()
        self._run: Run | None = None

    def serve(self) -> None:
        """Answer until the other end closes, or loses count of its own lines."""
        try:
            while line := self._requests.readline(MAX_LINE_BYTES):
                try:
                    self._reply("ok", self._answer(line))
                except HwprofError as error:
                    kind = next(k.__name__ for k in type(error).__mro__ if k.__name__ in ERRORS)
                    self._reply("error", Refusal(kind, str(error)))
                    # What follows a `put` that cannot be read is no line.
                    if isinstance(error, _Lost):
                        return
        finally:
            if self._run is not None:
                self._run.close()
            self._depot.close()

    def _reply(self, kind: str, content: Any) -> None:
        self._replies.write(to_json({kind: to_builtins(content)}) + b"\n")
        self._replies.flush()

    def _answer(self, line: bytes) -> Any:
        """Carry out one request. Raises DeviceError for one that cannot be understood."""
        try:
            request = from_json(line, Request)
        except CodecError as error:
            raise _Lost(f"the worker was sent a message it cannot read: {error}") from error
        if request.version != VERSION:
            raise _Lost(
                f"the worker speaks protocol {VERSION}, not {request.version}; "
                "install the same hwprof on both ends"
            )
        calls: dict[str, Callable[[bytes], Any]] = {
            "devices": lambda body: available(),
            "facts": lambda body: self._run.facts() if self._run else machine_facts(),
            "spec": lambda body: _spec(_decode(body, Asked)),
            "open": lambda body: self._open(_decode(body, Open)),
            "put": self._put,
            "time": lambda body: self._time(_decode(body, Runs)),
            "profile": lambda body: self._opened.profile(_decode(body, Runs).samples),
            "memory": lambda body: self._opened.memory(),
            "energy": lambda body: self._opened.energy(),
            "host_state": lambda body: self._opened.host_state(),
            "outputs": lambda body: self._opened.outputs(),
            "overhead_s": lambda body: Overhead(self._opened.overhead_s()),
        }
        if request.call not in calls:
            raise DeviceError(
                f"the worker has no method '{request.call}'; update hwprof on both ends"
            )
        return calls[request.call](bytes(request.body))

    @property
    def _opened(self) -> Run:
        if self._run is None:
            raise DeviceError("the worker has no model open; open one before it is run")
        return self._run

    def _time(self, asked: Runs) -> Any:
        return self._opened.time(asked.samples, asked.loops)

    def _put(self, body: bytes) -> Stored:
        try:
            file = from_json(body, ModelFile)
        except CodecError as error:
            raise _Lost(f"the worker was sent a file it cannot read: {error}") from error
        self._depot.receive(self._requests, file)
        return Stored(file.sha256)

    def _open(self, asked: Open) -> Opening:
        if self._run is not None:
            raise DeviceError("the worker has a model open already; start another worker")
        path = _here(asked)
        if path is None:
            if asked.path:
                return Opening()
            need = self._depot.need(asked.everything)
            if need:
                return Opening(need=need)
            path = self._depot.lay_out(asked.files)
        given = self._given(asked)
        # Before the runtime is imported: its threads stay where they begin.
        cpus = place(asked.pin)
        target = LocalTarget(connect(asked.device, asked.options), asked.meter or None)
        model = Model(
            path, asked.subject, asked.format, needed_bytes=asked.needed_bytes, given=given
        )
        self._run = target.open(model, cpus)
        return Opening(Opened(self._run.setup_s, cpus))

    def _given(self, asked: Open) -> dict[str, Value]:
        """The values that were given for inputs. Raises ModelError for others than were sent."""
        if asked.values is None:
            return {}
        here = asked.values_path
        given = read_values(Path(here) if here else self._depot.stored(asked.values))
        for each in asked.subject.values:
            if each.sha256 and value_hash(given.get(each.name)) != each.sha256:
                raise ModelError(
                    f"the values given for input '{each.name}' changed on their way; measure again"
                )
        return given


class _Lost(DeviceError):
    """After this the next request cannot be told from what belongs to the last one."""


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return from_json(body, kind)
    except CodecError as error:
        raise DeviceError(f"the worker was sent a call it cannot read: {error}") from error


def _spec(asked: Asked) -> Any:
    if asked.meter:
        # Imported here: looking for meters is slow to import.
        from hwprof.machine.meters import require_meter

        require_meter(asked.meter)
    return connect(asked.device, asked.options).spec


def _here(asked: Open) -> Path | None:
    """The model's path where all paths lead to files of the sizes that were told; else None."""
    if not asked.path:
        return None
    path = Path(asked.path)
    paths = [path, *(path.parent / file.name for file in asked.files[1:])]
    if asked.values is not None:
        paths.append(Path(asked.values_path))
    try:
        sizes = [each.stat().st_size for each in paths]
    except (OSError, ValueError):
        return None
    return path if sizes == [file.size for file in asked.everything] else None
