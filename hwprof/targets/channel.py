"""A worker process and the lines spoken with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, TypeVar

from hwprof.codec import CodecError, Raw, from_json, to_json
from hwprof.devices import scratch
from hwprof.errors import MeasurementError
from hwprof.targets.protocol import ERRORS, Refusal

T = TypeVar("T")

GRACE_S = 5.0
# -P: the folder hwprof is started in must not shadow any module of the worker.
COMMAND = (sys.executable, "-P", "-m", "hwprof.targets.agent")


def _environment() -> dict[str, str]:
    """Our environment, with a source checkout of hwprof made importable."""
    environment = dict(os.environ)
    home = Path(__file__).resolve().parents[2]
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
