"""The worker's own process: `python -m hwprof.targets.agent`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from hwprof.codec import CodecError, Raw, from_json, to_builtins, to_json
from hwprof.devices.registry import connect
from hwprof.errors import DeviceError, HwprofError
from hwprof.models.base import Model
from hwprof.targets.base import Run
from hwprof.targets.local import LocalTarget, pin
from hwprof.targets.protocol import VERSION, Call, Open, Opened, Overhead, Refusal, SpecOf

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have Linux kill this process when its parent dies (prctl(2)): no orphan keeps a core."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def own_stdout() -> BinaryIO:
    """Keep standard output for the protocol; whatever a runtime prints goes to standard error."""
    stream = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return stream


def answer(run: Run, call: Call) -> Any:
    """Carry out one call. Raises DeviceError for a method that `Run` does not offer."""
    if call.method == "time":
        return run.time(call.arguments["samples"], call.arguments["loops"])
    if call.method == "profile":
        return run.profile(call.arguments["runs"])
    simple: dict[str, Callable[[], Any]] = {
        "memory": run.memory,
        "energy": run.energy,
        "host_state": run.host_state,
        "outputs": run.outputs,
        "overhead_s": lambda: Overhead(run.overhead_s()),
    }
    if call.method not in simple:
        raise DeviceError(f"the worker has no method '{call.method}'; update hwprof on both ends")
    return simple[call.method]()


def refuse_other(version: int) -> None:
    """Raise DeviceError for a protocol that is not this worker's."""
    if version != VERSION:
        raise DeviceError(
            f"the worker speaks protocol {VERSION}, not {version}; "
            "install the same hwprof on both ends"
        )


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until the other end closes."""

    def reply(kind: str, content: Any) -> None:
        replies.write(to_json({kind: to_builtins(content)}) + b"\n")

    def refuse(error: HwprofError) -> None:
        reply("error", Refusal(type(error).__name__, str(error)))

    try:
        first = requests.readline()
        if "spec_of" in from_json(first, dict[str, Raw]):
            question = from_json(first, SpecOf)
            refuse_other(question.version)
            reply("ok", connect(question.spec_of, question.options).spec)
            return
        opening = from_json(first, Open)
        refuse_other(opening.version)
        pin(opening.cpus)
        device = connect(opening.device, opening.options)
        target = LocalTarget(device, opening.meter or None)
        run = target.start(Model(Path(opening.path), opening.subject, opening.format))
    except CodecError as error:
        refuse(DeviceError(f"the worker was sent a message it cannot read: {error}"))
        return
    except HwprofError as error:
        refuse(error)
        return
    with run:
        reply("ok", Opened(run.setup_s))
        for line in requests:
            try:
                reply("ok", answer(run, from_json(line, Call)))
            except HwprofError as error:
                refuse(error)
            except (CodecError, KeyError) as error:
                refuse(DeviceError(f"the worker was sent a call it cannot read: {error}"))


if __name__ == "__main__":
    die_with_parent()
    serve(sys.stdin.buffer, own_stdout())
