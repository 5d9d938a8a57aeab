"""The fuzzer's harness: mutate stored inputs, read them in a child process, watch what happens.

A reader's module has one function, `targets(folder: Path) -> dict[str, Target]`, by the reader's
name. `folder` outlives the child: what is costly to make may be kept there and taken from there the
next time. `fuzz_readers.py` is the command.

What a reader may do with a file, whatever is in it: return, or raise HwprofError. A finding is
anything else: another exception, the end of the process, more than `LIMIT_S` seconds, more than
`LIMIT_BYTES` of memory over what it held before, a file or a connection outside the folder that the
input lies in. A reader may write beside its input; that folder is emptied before the next one.
"""

from __future__ import annotations

import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from fuzz_mutations import Mutator, mutate_bytes

LIMIT_S = 5.0
PATIENT_S = 60.0
LARGEST_BYTES = 4 << 20
LIMIT_BYTES = 256 * 2**20
# Room above what a reader has mapped after its seeds: an allocation beyond is stopped, and found.
ADDRESS_SPACE = 4 * 2**30
START_S = 300.0
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Target:
    """One reader: inputs that it accepts, and how it reads one that lies in a file."""

    seeds: list[bytes]
    suffix: str
    """Of the input's file, such as ".onnx"; "" for none."""
    read: Callable[[Path], object]
    """Reads the file at this path, as hwprof does. It may raise HwprofError only."""
    mutate: Mutator | None = None
    """Makes one changed input of one seed, where bytes changed at random rarely get far."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a reader may not do, once per place in the code."""

    reader: str
    kind: str
    """"error", "crash", "hang", "memory", "file" or "connection"."""
    detail: str
    size: int
    """Bytes of the input."""
    kept: str
    """File that holds the input."""


@dataclass(slots=True)
class Result:
    """What came of one reader's inputs."""

    reader: str
    runs: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    largest_bytes: int = 0
    """The most memory that one input took over what was held before."""
    repeats: int = 0
    """Inputs that failed as one before them did."""
    findings: list[Finding] = field(default_factory=list)


def load(modules: Sequence[str], folder: Path) -> dict[str, Target]:
    """The readers of all modules. Raises ValueError where two have the same name."""
    found: dict[str, Target] = {}
    for module in modules:
        own = folder / module
        own.mkdir(parents=True, exist_ok=True)
        for name, target in import_module(module).targets(own).items():
            if name in found:
                raise ValueError(f"two readers are named {name}")
            found[name] = target
    return found


def inputs(target: Target, seed: int) -> Iterator[bytes]:
    """Endless inputs: the seeds themselves, then changed ones, the same for the same `seed`."""
    yield from target.seeds
    number = random.Random(seed)
    while True:
        content = number.choice(target.seeds)
        ways = [mutate_bytes] if target.mutate is None else [target.mutate, mutate_bytes]
        changed = number.choice(ways)(number, content)
        # Readers are judged by small files: a deep value times a long list makes none.
        if len(changed) <= LARGEST_BYTES:
            yield changed


def fuzz(
    child: Child,
    name: str,
    target: Target,
    keep: Path,
    *,
    seed: int = 0,
    seconds: float | None = None,
    runs: int | None = None,
) -> Result:
    """Read changed inputs until the time or the number of runs is used up, one of which is given.

    Failing inputs are kept in `keep`, one per place in the code that they failed in.
    """
    if seconds is None and runs is None:
        raise ValueError("give seconds or runs")
    result = Result(name)
    seen: set[tuple[str, str]] = set()
    child.warm(name)
    begin = time.monotonic()
    for content in inputs(target, seed):
        result.seconds = time.monotonic() - begin
        if result.runs == runs or (seconds is not None and result.seconds >= seconds):
            return result
        answer = child.read(name, content)
        if answer["kind"] == "hang":
            # On a busy machine anything may: once more, less the time without a processor.
            child.warm(name)
            answer = child.read(name, content, PATIENT_S)
            if answer["seconds"] > LIMIT_S and answer["kind"] in ("accepted", "refused"):
                answer |= {"kind": "hang", "detail": f"{answer['seconds']:.1f} s"}
        result.runs += 1
        result.slowest_s = max(result.slowest_s, answer["seconds"])
        result.largest_bytes = max(result.largest_bytes, answer["bytes"])
        result.accepted += answer["kind"] == "accepted"
        result.refused += answer["kind"] == "refused"
        if answer["kind"] in ("accepted", "refused"):
            continue
        if (answer["kind"], answer["place"]) in seen:
            result.repeats += 1
        else:
            seen.add((answer["kind"], answer["place"]))
            keep.mkdir(parents=True, exist_ok=True)
            kept = keep / f"{name}-{len(seen)}{target.suffix}"
            kept.write_bytes(content)
            detail = f"{answer['place']}: {answer['detail']}"
            result.findings.append(Finding(name, answer["kind"], detail, len(content), str(kept)))
        child.warm(name)
    raise AssertionError("inputs are endless")


class Child:
    """A process that reads inputs, one after the other; a new one where it died or was stopped."""

    def __init__(self, modules: Sequence[str], folder: Path) -> None:
        self._modules = list(modules)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._warm: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def warm(self, name: str) -> None:
        """Have the reader read its seeds once in this process, so that imports count for none.

        Raises RuntimeError where it cannot: then it is no reader of these seeds.
        """
        if self._process is not None and name in self._warm:
            return
        answer = self._ask({"warm": name}, b"", START_S)
        if answer["kind"] != "accepted":
            raise RuntimeError(f"the reader {name} fails on its seeds: {answer['detail']}")
        self._warm.add(name)

    def read(self, name: str, content: bytes, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """What came of one input: kind, place, detail, seconds, bytes."""
        return self._ask({"reader": name}, content, limit_s)

    def stop(self) -> None:
        """End the process. The next input starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
            self._warm.clear()

    def _ask(self, request: dict[str, Any], content: bytes, limit_s: float) -> dict[str, Any]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        begin = time.monotonic()
        answer = {"kind": "crash", "place": "", "detail": "", "seconds": 0.0, "bytes": 0}
        try:
            process.stdin.write(json.dumps(request | {"size": len(content)}).encode() + b"\n")
            process.stdin.write(content)
            process.stdin.flush()
            line = _line(cast(BinaryIO, process.stdout), begin + limit_s)
        except BrokenPipeError:
            line = b""
        except TimeoutError:
            self.stop()
            detail = f"more than {limit_s:.0f} s"
            return answer | {"kind": "hang", "detail": detail, "seconds": limit_s}
        if not line.endswith(b"\n"):
            code = process.wait()
            self.stop()
            return answer | {"detail": f"the process ended with {code}"}
        return cast(dict[str, Any], json.loads(line))

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
            watched = self._folder / "watched"
            shutil.rmtree(watched, ignore_errors=True)
            for part in ("home", "tmp", "here"):
                (watched / part).mkdir(parents=True)
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(self._folder), *self._modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=watched / "here",
                env=os.environ
                | {
                    "PYTHONPATH": path,
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "HOME": str(watched / "home"),
                    "TMPDIR": str(watched / "tmp"),
                },
            )
            assert self._process.stdout is not None
            _line(cast(BinaryIO, self._process.stdout), time.monotonic() + START_S)
        return self._process


def _line(stream: BinaryIO, deadline: float) -> bytes:
    """One line, or less where the stream ends. Raises TimeoutError."""
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(stream.fileno(), 2**16)
        if not part:
            break
        line += part
    return line


# What follows runs in the child.


def serve(folder: Path, modules: Sequence[str]) -> None:
    """Read inputs from standard input and answer, a line of JSON each, until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    watched = folder / "watched"
    case = watched / "case"
    found = load(modules, folder / "made")
    outside: list[tuple[str, str]] = []
    sys.addaudithook(lambda event, args: _note(event, args, watched, outside))
    answers.write(b"ready\n")
    answers.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        content = sys.stdin.buffer.read(request["size"])
        if "warm" in request:
            answer = _warmed(found[request["warm"]], case)
        else:
            outside.clear()
            before = _tree(watched, case)
            answer = _read(found[request["reader"]], case, content)
            left = sorted(_tree(watched, case) - before)
            if answer["kind"] in ("accepted", "refused"):
                if outside:
                    answer |= {"kind": outside[0][0], "place": "", "detail": outside[0][1]}
                elif left:
                    answer |= {"kind": "file", "place": "", "detail": f"left {left[0]}"}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


def _warmed(target: Target, case: Path) -> dict[str, Any]:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    answer: dict[str, Any] = {"kind": "error", "detail": "it accepts none of its seeds"}
    accepted = False
    # What a first read leaves in caches is left once.
    for content in target.seeds * 2:
        read = _read(target, case, content)
        accepted |= read["kind"] in ("accepted", "memory")
        if read["kind"] == "error":
            return read
    if not accepted:
        return answer
    limit = _status("VmSize") + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    return answer | {"kind": "accepted"}


def _read(target: Target, case: Path, content: bytes) -> dict[str, Any]:
    from hwprof.errors import HwprofError

    shutil.rmtree(case, ignore_errors=True)
    case.mkdir()
    path = case / f"input{target.suffix}"
    path.write_bytes(content)
    answer: dict[str, Any] = {"kind": "accepted", "place": "", "detail": ""}
    held, peak = _status("VmRSS"), _peak(reset=True)
    begin, waited = time.monotonic(), _waited_s()
    try:
        target.read(path)
    except HwprofError as error:
        answer = {"kind": "refused", "place": "", "detail": str(error)[:400]}
    except MemoryError as error:
        answer = {"kind": "memory", "place": _place(error), "detail": "MemoryError"}
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        detail = f"{type(error).__name__}: {str(error)[:400]}"
        answer = {"kind": "error", "place": _place(error), "detail": detail}
    seconds = time.monotonic() - begin - (_waited_s() - waited)
    after = _peak(reset=False)
    grown = max(0, after - held) if after > peak else 0
    if grown > LIMIT_BYTES and answer["kind"] in ("accepted", "refused"):
        answer = {"kind": "memory", "place": "", "detail": f"{grown / 2**20:.0f} MiB"}
    return answer | {"seconds": seconds, "bytes": grown}


def _waited_s() -> float:
    """Seconds for which this process was ready to run and another one ran; 0 where none tells."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return 0.0


def _place(error: BaseException) -> str:
    """File and line of the innermost frame in hwprof, or of the innermost at all."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/hwprof/" in frame.filename] or list(frames)
    return f"{own[-1].filename.rpartition('/hwprof/')[2]}:{own[-1].lineno}" if own else ""


def _status(name: str) -> int:
    """A size of /proc/self/status in bytes; 0 where it is not told."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _peak(*, reset: bool) -> int:
    """The most memory held so far in bytes, or since the last reset where the system has one."""
    if reset:
        try:
            Path("/proc/self/clear_refs").write_text("5")
            return 0
        except OSError:
            pass
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _tree(watched: Path, case: Path) -> set[str]:
    return {
        str(Path(folder, name).relative_to(watched))
        for folder, folders, names in os.walk(watched)
        for name in [*names, *folders]
        if not Path(folder, name).is_relative_to(case)
    }


def _note(event: str, args: tuple[Any, ...], watched: Path, outside: list[tuple[str, str]]) -> None:
    """Note what reaches beyond the watched folder."""
    if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
        written = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        path = os.path.realpath(os.fsdecode(args[0]))
        # /dev/shm is a folder of files, and no device.
        allowed = path.startswith((f"{watched}/", "/dev/", "/proc/"))
        shared = path.startswith("/dev/shm/") and not path.startswith(f"{watched}/")
        if written and (shared or not allowed):
            outside.append(("file", f"wrote to {path}"))
    elif event in ("socket.connect", "socket.getaddrinfo"):
        outside.append(("connection", f"{event} {args[1:] if event[7] == 'c' else args}"[:200]))


if __name__ == "__main__":
    # Readers find the harness under its own name.
    sys.modules["fuzzing"] = sys.modules["__main__"]
    serve(Path(sys.argv[1]), sys.argv[2:])
