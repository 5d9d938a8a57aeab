"""Agents as processes of this machine, spoken to through their standard input and output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hwprof.devices import scratch
from hwprof.errors import MeasurementError
from hwprof.targets.stream import Ended, Launcher, Stream
from hwprof.telemetry import opted_out

GRACE_S = 5.0
# -P: the folder hwprof is started in must not shadow any module of the worker.
ARGUMENTS = ("-P", "-m", "hwprof.targets.agent")
# The end of what a worker printed is enough to tell what killed it.
LAST_WORDS = 1 << 16


def _environment() -> dict[str, str]:
    """Our environment, with a source checkout of hwprof made importable."""
    environment = dict(os.environ)
    home = Path(__file__).resolve().parents[2]
    if not {"site-packages", "dist-packages"} & set(home.parts):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = str(home) if not known else f"{home}{os.pathsep}{known}"
    return environment


class LocalPython(Launcher):
    """A Python interpreter of this machine: this one, or another with packages of its own.

    Another `python` needs hwprof in its packages, or in the `PYTHONPATH` of its `environment`,
    which is then the whole of it.
    """

    def __init__(
        self, python: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._python = python
        self._given = environment

    @property
    def shares_files(self) -> bool:
        return True

    @property
    def shares_packages(self) -> bool:
        return self._python is None and self._given is None

    def start(self) -> ProcessStream:
        command = (str(self._python or sys.executable), *ARGUMENTS)
        environment = _environment() if self._given is None else dict(self._given)
        return ProcessStream(command, environment)


class ProcessStream(Stream):
    """The pipes of a worker process of ours, which ends with them."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Raises MeasurementError when no process can be started."""
        # The worker is killed, not asked to stop: what it leaves behind is removed from here.
        self._scratch = tempfile.TemporaryDirectory(prefix="hwprof-", ignore_cleanup_errors=True)
        self._log = tempfile.TemporaryFile(prefix="hwprof-worker-")  # noqa: SIM115 - close() ends it
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**opted_out(environment), scratch.VARIABLE: self._scratch.name},
                # Ctrl-C reaches hwprof alone, which then closes its workers.
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            self._scratch.cleanup()
            raise MeasurementError(
                f"cannot start a worker process ({error}); close other programs and try again"
            ) from error
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._to, self._from = self.process.stdin, self.process.stdout

    @property
    def scratch(self) -> Path:
        """Folder of the worker's temporary files."""
        return Path(self._scratch.name)

    def read_line(self, limit: int) -> bytes:
        return self._from.readline(limit)

    def write(self, data: bytes) -> None:
        try:
            self._to.write(data)
        except BrokenPipeError as error:
            raise Ended from error

    def flush(self) -> None:
        try:
            self._to.flush()
        except BrokenPipeError as error:
            raise Ended from error

    @property
    def closed(self) -> bool:
        return self._from.closed

    def obituary(self, who: str) -> str:
        try:
            self.process.wait(GRACE_S)  # its output ended, so it is about to
        except subprocess.TimeoutExpired:
            self.process.kill()
        code = self.process.wait()
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - LAST_WORDS))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        self.close()
        if code == -signal.SIGKILL:
            return (
                f"{who} was killed, most likely because memory ran out; "
                "use a smaller --batch or --shape, or a machine with more memory"
            )
        last = lines[-1][:300] if lines else "it printed nothing"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"{who} died with {how} ({last}); "
            "the runtime crashed on this model: try another version of it"
        )

    def close(self) -> None:
        # It holds nothing worth a slow goodbye.
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self._to, self._from):
            if not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:  # unsent bytes to a dead worker
                    continue
        self._log.close()
        self._scratch.cleanup()
