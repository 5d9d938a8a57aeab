"""What a target answers is checked: it may be broken, old or hostile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwprof.codec import from_json, to_json
from hwprof.errors import DeadlineError, DeviceError, HwprofError, MeasurementError, ModelError
from hwprof.machine.host import MachineFacts, Pin
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.profile import Profile
from hwprof.samples import Samples
from hwprof.targets import patience
from hwprof.targets.channel import Channel
from hwprof.targets.patience import Patience
from hwprof.targets.protocol import Opened, Opening, Overhead
from hwprof.targets.stream import Ended, Late, Launcher, Stream
from hwprof.targets.worker import WorkerRun, WorkerTarget

Answer = Callable[[dict[str, Any]], bytes]
SILENCE = b"..."


class Pretender(Stream):
    """A target that answers what it was told to."""

    def __init__(self, *answers: bytes, deaf: bool = False) -> None:
        self.answers = list(answers)
        self.sent = b""
        self.deaf = deaf
        self.waits: list[float] = []
        self._closed = False

    def read_line(self, limit: int, wait_s: float) -> bytes:
        self.waits.append(wait_s)
        if self.answers[:1] == [SILENCE]:
            raise Late
        return self.answers.pop(0)[:limit] if self.answers else b""

    def write(self, data: bytes, wait_s: float) -> None:
        if self.deaf:
            raise Ended
        self.sent += data

    @property
    def closed(self) -> bool:
        return self._closed

    def obituary(self, who: str) -> str:
        self.close()
        return f"{who} fell asleep; wake it"

    def close(self) -> None:
        self._closed = True


class Pretending(Launcher):
    """Starts one pretender."""

    def __init__(self, *answers: bytes) -> None:
        self.stream = Pretender(*answers)

    @property
    def shares_files(self) -> bool:
        return False

    @property
    def shares_packages(self) -> bool:
        return False

    def start(self) -> Stream:
        return self.stream


def ok(value: object) -> bytes:
    return b'{"ok":' + to_json(value) + b"}\n"


def refused(kind: str, message: str) -> bytes:
    return to_json({"error": {"kind": kind, "message": message}}) + b"\n"


OPENED = ok(Opening(Opened(0.1, ())))


def ask(*answers: bytes, limit: int = 1000) -> object:
    return Channel(Pretender(*answers), "looking at it", limit=limit).ask("overhead_s", Overhead)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"nonsense\n", "something unreadable"),
        (b"[1]\n", "something unreadable"),
        (b"{}\n", "something unreadable"),
        (b'{"ok":{"seconds":"soon"}}\n', "something unreadable"),
        (b'{"ok":{"seconds":1e999}}\n', "something unreadable"),
        (b'{"ok":{"seconds":NaN}}\n', "something unreadable"),
        (b'{"error":"no"}\n', "something unreadable"),
        (b'{"ok":{"seconds":null}}', "the worker looking at it fell asleep; wake it"),
        (b"", "the worker looking at it fell asleep; wake it"),
        (b" " * 5000 + b"\n", "answered 'overhead_s' with more than"),
    ],
)
def test_an_answer_that_cannot_be_right_is_one_sentence(answer: bytes, says: str) -> None:
    with pytest.raises(MeasurementError, match=says) as error:
        ask(answer)
    assert "\n" not in str(error.value)


def test_a_line_without_end_is_not_read_to_its_end() -> None:
    stream = Pretender(b"x" * 10_000, ok(Overhead(1.0)))
    channel = Channel(stream, "looking at it", limit=100)
    with pytest.raises(MeasurementError, match="more than 0 MiB"):
        channel.ask("overhead_s", Overhead)
    # The rest of the line would be taken for the next answer.
    with pytest.raises(MeasurementError, match="the worker is closed"):
        channel.ask("overhead_s", Overhead)


def test_errors_keep_their_kind_and_are_one_printable_line() -> None:
    with pytest.raises(DeviceError, match="it is away; fetch it"):
        ask(refused("DeviceError", "it is away; fetch it"))
    with pytest.raises(HwprofError) as error:
        ask(refused("SystemExit", "a\n\x1b[31mb\x07" + "c" * 5000), limit=100_000)
    assert type(error.value) is MeasurementError
    assert str(error.value).startswith("a [31mb")
    assert len(str(error.value)) <= 2000


def test_an_agent_that_says_why_before_it_goes_is_heard() -> None:
    stream = Pretender(refused("ModelError", "too large; use another"), deaf=True)
    with pytest.raises(ModelError, match="too large; use another"):
        Channel(stream, "looking").ask("put", Overhead)


def run_with(*answers: bytes, mlp: Path) -> WorkerRun:
    run = WorkerTarget("cpu", launcher=Pretending(OPENED, *answers)).start(load_model(mlp))
    assert isinstance(run, WorkerRun)
    return run


def samples(count: int, loops: int = 1) -> bytes:
    return ok(Samples(np.ones(count), loops=loops))


def test_samples_are_counted(mlp: Path) -> None:
    assert len(run_with(samples(3, 2), mlp=mlp).time(3, 2)) == 3
    for answer in (samples(4, 2), samples(3, 1)):
        with pytest.raises(MeasurementError, match="instead of 3 of 2"):
            run_with(answer, mlp=mlp).time(3, 2)
    negative = b'{"ok":{"wall_s":[-1.0,1.0],"loops":1}}\n'
    with pytest.raises(MeasurementError, match="must be finite and not negative"):
        run_with(negative, mlp=mlp).time(2)


def test_a_profile_has_about_the_runs_that_were_asked_for(mlp: Path) -> None:
    answer = ok({"profile": Profile((), np.ones(5))})
    # Fewer where the profiler records no more, more where too few were clean; up to a bound.
    for asked in (2, 5, 60):
        assert run_with(answer, mlp=mlp).profile(asked).profile.run_wall_s.size == 5
    with pytest.raises(MeasurementError, match="a profile of 5 runs instead of 1 to 3"):
        run_with(answer, mlp=mlp).profile(1)
    nothing = ok({"profile": Profile((), np.ones(0))})
    with pytest.raises(MeasurementError, match="a profile of 0 runs"):
        run_with(nothing, mlp=mlp).profile(6)


@pytest.mark.parametrize(
    ("cpus", "pin", "fits"),
    [
        ([], Pin(), True),
        ([3], Pin(), False),
        ([3], Pin(cpus=(3,)), True),
        ([], Pin(cpus=(3,)), False),
        ([2], Pin(cpus=(3,)), False),
        ([7, 5], Pin(quiet=2), True),
        ([], Pin(quiet=2), True),
        ([7], Pin(quiet=2), False),
        ([-1], Pin(quiet=1), False),
    ],
)
def test_processors_are_those_that_were_asked_for(
    mlp: Path, cpus: list[int], pin: Pin, fits: bool
) -> None:
    launcher = Pretending(ok({"opened": {"setup_s": 0.1, "cpus": cpus}}))
    target = WorkerTarget("cpu", launcher=launcher)
    if fits:
        assert target.start(load_model(mlp), pin).cpus == tuple(cpus)
    else:
        with pytest.raises(MeasurementError, match="something unreadable"):
            target.start(load_model(mlp), pin)
        assert launcher.stream.closed


def test_a_target_gets_no_file_that_was_not_offered(mlp: Path, external_mlp: Path) -> None:
    model = load_model(mlp)
    for answers in ([ok(Opening(need=("0" * 64,)))], [ok(Opening())] * 2):
        launcher = Pretending(*answers)
        with pytest.raises(MeasurementError, match="something unreadable"):
            WorkerTarget("cpu", launcher=launcher).start(model)
        assert launcher.stream.closed
        assert mlp.read_bytes() not in launcher.stream.sent


def test_no_path_goes_to_a_place_with_other_files(mlp: Path) -> None:
    launcher = Pretending(OPENED)
    WorkerTarget("cpu", launcher=launcher).start(load_model(mlp))
    (request,) = launcher.stream.sent.splitlines()
    body = from_json(request, dict[str, Any])["body"]
    assert body["path"] == ""
    assert body["files"] == [
        {"name": "mlp.onnx", "size": mlp.stat().st_size, "sha256": body["subject"]["sha256"]}
    ]
    assert str(mlp.parent) not in request.decode()


def test_a_place_with_other_packages_knows_its_own_devices(mlp: Path) -> None:
    with pytest.raises(DeviceError, match="unknown device 'theirs'"):
        WorkerTarget("theirs")
    launcher = Pretending(OPENED)
    assert WorkerTarget("theirs:a=b", launcher=launcher).start(load_model(mlp)).setup_s == 0.1


def test_facts_are_decoded_by_type(mlp: Path) -> None:
    facts = MachineFacts("Linux-riscv64", "6.9", "3.12.1", "0.2", {"numpy": "2.0"})
    assert run_with(ok(facts), mlp=mlp).facts() == facts
    with pytest.raises(MeasurementError, match="something unreadable"):
        run_with(ok({"system": 1}), mlp=mlp).facts()


def test_a_model_that_changed_is_not_sent(mlp: Path, external_mlp: Path) -> None:
    model = load_model(external_mlp)
    (external_mlp.parent / "external.bin").write_bytes(b"x")
    launcher = Pretending(OPENED)
    with pytest.raises(ModelError, match="changed after it was read"):
        WorkerTarget("cpu", launcher=launcher).start(model)


def test_weights_in_a_folder_of_their_own_are_not_sent(mlp: Path) -> None:
    (mlp.parent / "w").mkdir()
    (mlp.parent / "w/a.bin").write_bytes(b"")
    loaded = load_model(mlp)
    model = Model(loaded.path, loaded.subject, external=("w/a.bin",))
    with pytest.raises(ModelError, match="save it with its weights beside it"):
        WorkerTarget("cpu", launcher=Pretending(OPENED)).start(model)


def test_who_does_not_answer_is_ended_in_one_sentence() -> None:
    stream = Pretender(SILENCE)
    channel = Channel(stream, "looking at it", patience=Patience(0.5))
    with pytest.raises(DeadlineError, match=r"within 0\.5 s with opening the model") as error:
        channel.ask("open", Overhead)
    assert stream.closed
    assert "--timeout" in str(error.value)
    with pytest.raises(MeasurementError, match="the worker is closed"):
        channel.ask("open", Overhead)


def test_bounds_grow_with_the_runs_that_were_seen(mlp: Path) -> None:
    slow = ok(Samples(np.array([30.0])))
    run = run_with(slow, ok(Samples(np.full(4, 2.0), loops=5)), samples(1), mlp=mlp)
    run.time(1)
    run.time(4, 5)
    run.time(1)
    assert isinstance(run.channel.stream, Pretender)
    assert run.channel.stream.waits == [
        patience.OPEN_S,
        patience.FIRST_RUN_S,
        patience.SLOWER * 30.0 * 4 * 5,
        patience.SLOWER * 30.0,
    ]


def test_a_time_out_that_is_given_stands_for_every_call(mlp: Path) -> None:
    launcher = Pretending(OPENED, samples(1), samples(2))
    with WorkerTarget("cpu", launcher=launcher, timeout_s=7).start(load_model(mlp)) as run:
        run.time(1)
        run.time(2)
    assert launcher.stream.waits == [7, 7, 7]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b'{"ok":{"wall_s":[],"loops":1}}\n', "0 samples of 1 runs instead of 2 of 1"),
        (b'{"ok":{"wall_s":[0.0,0.0],"loops":1}}\n', "a run that took no time at all"),
        (b'{"ok":{"wall_s":[1.0,0.0],"loops":1}}\n', "a run that took no time at all"),
        (b'{"ok":{"wall_s":[1.0,1.0],"loops":0}}\n', "loops must be at least 1"),
        (b'{"ok":{"wall_s":[1.0,NaN],"loops":1}}\n', "unreadable"),
        (b'{"ok":{"wall_s":[1.0,null],"loops":1}}\n', "a flat list of numbers"),
        (b'{"ok":{"wall_s":[1.0,1e400],"loops":1}}\n', "unreadable"),
        (b'{"ok":{"wall_s":[1.0,1.0],"loops":1,"cpu_s":[1.0]}}\n', "cpu_s must have shape"),
        (b'{"ok":' + b"[" * 5000 + b"]" * 5000 + b"}\n", "unreadable"),
    ],
)
def test_samples_that_cannot_be_right_are_one_sentence(mlp: Path, answer: bytes, says: str) -> None:
    with pytest.raises(MeasurementError, match=says) as error:
        run_with(answer, mlp=mlp).time(2)
    assert "answered something unreadable" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("seconds", ["-0.1", "NaN", "1e400", "-Infinity", "null"])
def test_set_up_takes_a_time(mlp: Path, seconds: str) -> None:
    launcher = Pretending(f'{{"ok":{{"opened":{{"setup_s":{seconds},"cpus":[]}}}}}}\n'.encode())
    with pytest.raises(MeasurementError, match="answered something unreadable"):
        WorkerTarget("cpu", launcher=launcher).start(load_model(mlp))
    assert launcher.stream.closed


def test_neither_memory_nor_overhead_is_less_than_none(mlp: Path) -> None:
    less = ok({"baseline_rss_bytes": 5, "peak_rss_bytes": -1})
    with pytest.raises(MeasurementError, match="less memory than none"):
        run_with(less, mlp=mlp).memory()
    with pytest.raises(MeasurementError, match=r"-1\.0 is no time"):
        run_with(ok({"seconds": -1.0}), mlp=mlp).overhead_s()


def test_marks_of_a_profile_fit_its_runs(mlp: Path) -> None:
    odd = ok({"profile": {"occurrences": [], "run_wall_s": [1.0, 1.0], "run_switches": [0]}})
    with pytest.raises(MeasurementError, match="run_switches has 1 entries for 2 runs"):
        run_with(odd, mlp=mlp).profile(2)
    less = ok({"profile": {"occurrences": [], "run_wall_s": [-1.0, 1.0]}})
    with pytest.raises(MeasurementError, match="less than no time"):
        run_with(less, mlp=mlp).profile(2)
