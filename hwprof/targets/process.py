"""Agents as processes of this machine, spoken to through their standard input and output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hwprof.children import PARENT
from hwprof.errors import MeasurementError
from hwprof.scratch import VARIABLE, scratch_folder
from hwprof.targets.pipes import Pipes
from hwprof.targets.stream import Launcher, Stream
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
    """The pipes of a worker process of ours, which ends with them, and all that it started."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Raises MeasurementError when no process can be started."""
        # The worker is killed, not asked to stop: what it leaves behind is removed from here.
        self._scratch = scratch_folder()
        try:
            self._log = tempfile.TemporaryFile(prefix="hwprof-worker-")  # noqa: SIM115 - see close()
            self.process = self._started(command, environment)
        except OSError as error:
            self._scratch.cleanup()
            raise MeasurementError(
                f"cannot start a worker process ({error}); close other programs and try again"
            ) from error
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._to, self._from = self.process.stdin, self.process.stdout
        self._pipes = Pipes(self._from.fileno(), self._to.fileno())

    def _started(
        self, command: tuple[str, ...], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={
                    **opted_out(environment),
                    VARIABLE: self._scratch.name,
                    PARENT: str(os.getpid()),
                },
                # Ctrl-C reaches hwprof alone, which then closes its workers; and compilers and
                # converters that a worker started are in a group with it, and can be ended with it.
                start_new_session=True,
            )
        except OSError:
            self._log.close()
            raise

    @property
    def scratch(self) -> Path:
        """Folder of the worker's temporary files."""
        return Path(self._scratch.name)

    def read_line(self, limit: int, wait_s: float) -> bytes:
        return self._pipes.read_line(limit, wait_s)

    def write(self, data: bytes, wait_s: float) -> None:
        self._pipes.write(data, wait_s)

    @property
    def closed(self) -> bool:
        return self._from.closed

    def obituary(self, who: str) -> str:
        try:
            code: int | None = self.process.wait(GRACE_S)  # its output ended, so it is about to
        except subprocess.TimeoutExpired:
            code = None
        self._end_group()
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - LAST_WORDS))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        self.close()
        last = lines[-1][:300] if lines else "it printed nothing"
        if code is None:
            return (
                f"{who} closed its output and went on ({last}); try another version of the runtime"
            )
        if code == -signal.SIGKILL:
            return (
                f"{who} was killed, most likely because memory ran out; "
                "use a smaller --batch or --shape, or a machine with more memory"
            )
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return (
            f"{who} died with {how} ({last}); "
            "the runtime crashed on this model: try another version of it"
        )

    def close(self) -> None:
        # It holds nothing worth a slow goodbye.
        if self.process.returncode is None:
            self._end_group()
            # What hangs in a driver or a network file system cannot be waited for.
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(GRACE_S)
        self._to.close()
        self._from.close()
        self._log.close()
        self._scratch.cleanup()

    def _end_group(self) -> None:
        """Kill the worker and what it started, right after its end at the latest.

        Its number is its own for as long as it was not waited for, or anything of its group lives.
        """
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
