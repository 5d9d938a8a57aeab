"""Commands turn arguments into one call of the library, and its answer into an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hwprof.errors import DeviceError, HwprofError, OptionError, TableError, UnsavedError
from hwprof.profiler import compare as compare_module
from hwprof.profiler import sweep as sweep_module
from hwprof.profiler.campaign import Job, Outcome
from hwprof.profiler.plan import Plan
from hwprof.profiler.sweep import Sweep
from hwprof.testing.examples import example_failure, example_measurement
from tests.cli.conftest import Result
from tests.profiler.away import Away
from tests.profiler.results import result

Cli = Callable[..., Result]
JOB = Job(Path("a.onnx"), Away(), device="cpu")


class Library:
    """Stands in for a function of the library: notes its arguments and gives what it was told."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        self.calls.append((arguments, options))
        return self.answer()


def outcomes(*found: Outcome | BaseException) -> Callable[[], Sweep]:
    """A sweep that gives these, raising those that are errors."""

    def each() -> Iterator[Outcome]:
        for one in found:
            if isinstance(one, BaseException):
                raise one
            yield one

    return lambda: Sweep(each(), len(found), ("cpu",))  # type: ignore[arg-type]


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Library]:
    def stand_in(*found: Outcome | BaseException) -> Library:
        library = Library(outcomes(*found))
        monkeypatch.setattr(sweep_module, "sweep", library)
        return library

    return stand_in


USUAL: dict[str, Any] = {
    "threads": (),
    "batches": (),
    "shapes": {},
    "inputs": None,
    "space": None,
    "archs": [],
    "sample": None,
    "seed": 0,
    "resolution": None,
    "name": None,
    "tags": (),
    "plan": Plan(),
    "meter": None,
    "custom_ops": None,
    "table": Path("hwprof.db"),
    "resume": False,
    "check_outputs": True,
    "timeout": None,
}


@pytest.mark.parametrize(
    ("arguments", "models", "devices", "changed"),
    [
        (("a.onnx",), ["a.onnx"], None, {}),
        (("a.onnx", "b.pt2"), ["a.onnx", "b.pt2"], None, {}),
        (
            ("a.onnx", "--device", "cpu", "--device", "tvm-cpu:tune=on"),
            ["a.onnx"],
            ["cpu", "tvm-cpu:tune=on"],
            {"plan": Plan(restarts=3)},
        ),
        (
            ("a.onnx", "--threads", "1,4", "--batch", "1,8"),
            ["a.onnx"],
            None,
            {"threads": (1, 4), "batches": (1, 8), "plan": Plan(restarts=3)},
        ),
        (
            ("a.onnx", "--threads", "1,4", "--restarts", "1"),
            ["a.onnx"],
            None,
            {"threads": (1, 4), "plan": Plan(restarts=1)},
        ),
        (
            ("a.onnx", "--shape", "x=1,3", "--shape", "y=2"),
            ["a.onnx"],
            None,
            {"shapes": {"x": (1, 3), "y": (2,)}},
        ),
        (
            ("a.onnx", "--input", "ids=0..9", "--input", "t=a=b", "--inputs", "x.npz"),
            ["a.onnx"],
            None,
            {"inputs": {"ids": "0..9", "t": "a=b", "": Path("x.npz")}},
        ),
        (
            (
                *("a.onnx", "--precision", "0.2", "--budget", "3", "--pin", "0,1"),
                *("--percentile", "99.9", "--no-per-op", "--restarts", "7"),
            ),
            ["a.onnx"],
            None,
            {
                "plan": Plan(
                    precision=0.2, budget_s=3, pin="0,1", percentile=0.999, per_op=False, restarts=7
                )
            },
        ),
        (
            ("a.onnx", "--meter", "rapl", "--lut", "t.db", "--resume", "--no-check-outputs"),
            ["a.onnx"],
            None,
            {"meter": "rapl", "table": Path("t.db"), "resume": True, "check_outputs": False},
        ),
        (("a.onnx", "--timeout", "30"), ["a.onnx"], None, {"timeout": 30.0}),
        (
            ("a.onnx", "--name", "net", "--tag", "one", "--tag", "two"),
            ["a.onnx"],
            None,
            {"name": "net", "tags": ["one", "two"]},
        ),
        (
            ("--space", "fbnet", "--arch", "x y", "--arch", "z", "--resolution", "64"),
            [],
            None,
            {"space": "fbnet", "archs": ["x y", "z"], "resolution": 64},
        ),
        (
            ("--space", "gpt", "--sample", "9"),
            [],
            None,
            {"space": "gpt", "sample": 9},
        ),
    ],
)
def test_measure(
    hwprof: Cli,
    sweeps: Callable[..., Library],
    arguments: tuple[str, ...],
    models: list[str],
    devices: list[str] | None,
    changed: dict[str, Any],
) -> None:
    library = sweeps()
    assert hwprof("measure", *arguments, "--json").json == []
    ((given, options),) = library.calls
    assert list(given[0]) == [Path(model) for model in models]
    assert given[1] == devices
    assert options.pop("listen") is not None
    assert options == {**USUAL, **changed}


def test_environment_variables(
    hwprof: Cli, sweeps: Callable[..., Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWPROF_METER", "ina")
    monkeypatch.setenv("HWPROF_LUT", "kept.db")
    library = sweeps()
    hwprof("measure", "a.onnx")
    hwprof("measure", "a.onnx", "--meter", "rapl", "--lut", "mine.db")
    first, second = (options for _, options in library.calls)
    assert (first["meter"], first["table"]) == ("ina", Path("kept.db"))
    assert (second["meter"], second["table"]) == ("rapl", Path("mine.db"))


def test_selected_architectures_are_those_of_select(
    hwprof: Cli, sweeps: Callable[..., Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwprof.predictors import shipped

    selection = Library(lambda: ["one", "two"])
    known = SimpleNamespace(idealised=False)
    monkeypatch.setattr(shipped, "known_devices", Library(lambda: known))
    monkeypatch.setattr(shipped, "to_measure", selection)
    library = sweeps()
    hwprof("measure", "--space", "fbnet", "--select", "2", "--pool", "ours.pool", "--seed", "5")
    ((names, options),) = shipped.known_devices.calls
    assert names == ("fbnet", Path("ours.pool"))
    assert options["seed"] == 5
    assert selection.calls == [((known, 2), {"seed": 5})]
    assert library.calls[0][1]["archs"] == ["one", "two"]
    assert hwprof("select", "--space", "fbnet", "-k", "2").out == "one\ntwo\n"
    assert selection.calls[1] == ((known, 2), {"seed": None})


def test_architectures_of_a_file(hwprof: Cli, sweeps: Callable[..., Library]) -> None:
    library = sweeps()
    Path("some.txt").write_text("# two of them\none\n\n two \n")
    Path("list.json").write_text('["three"]')
    hwprof(
        "measure", "--space", "fbnet", "--arch", "@some.txt", "--arch", "x", "--arch", "@list.json"
    )
    assert library.calls[0][1]["archs"] == ["one", "two", "x", "three"]
    hwprof("measure", "--space", "fbnet", "--sample", "3", "--seed", "7")
    assert (library.calls[1][1]["sample"], library.calls[1][1]["seed"]) == (3, 7)
    Path("none.txt").write_text("# nothing\n")
    Path("binary").write_bytes(b"\xff\xfe\x00")
    Path("bad.json").write_text("[1, 2]")
    for wrong, says in (
        (("--arch", "@gone.txt"), "'gone.txt' cannot be read"),
        (("--arch", "@none.txt"), "names no architecture"),
        (("--arch", "@binary"), "it is no text"),
        (("--arch", "@bad.json"), "no JSON list of texts"),
        (("--arch", "@."), "not a regular file"),
        (("--arch", "x", "--seed", "1"), "--seed goes with --sample or --select"),
        (("--arch", "x", "--pool", "p"), "--pool goes with --select"),
    ):
        done = hwprof("measure", "--space", "fbnet", *wrong)
        assert done.code == 2
        assert says in done.error
    assert len(library.calls) == 2


def test_exit_codes_follow_the_outcomes(hwprof: Cli, sweeps: Callable[..., Library]) -> None:
    good, bad = Outcome(JOB, example_measurement(0)), Outcome(JOB, failure=example_failure(0))
    sweeps(good)
    done = hwprof("measure", "a.onnx")
    assert (done.code, done.err) == (0, "")
    assert "Saved in hwprof.db" in done.out
    sweeps(good, bad, good)
    done = hwprof("measure", "a.onnx", "--json")
    assert done.code == 1
    measured, failed = example_measurement(0).id, example_failure(0).id
    assert [m["id"] for m in done.json] == [measured, failed, measured]
    assert [m["source"] == "failed" for m in done.json] == [False, True, False]
    assert done.err == f"error: {' '.join(example_failure(0).reason.split())}\n"
    sweeps(bad)
    done = hwprof("measure", "a.onnx")
    assert done.code == 1
    assert "Saved in" not in done.out
    wrong = replace(bad, error=OptionError("a shape does not fit"))
    sweeps(good, wrong)
    done = hwprof("measure", "a.onnx", "--json")
    assert done.code == 2
    # It is no row, so there is no id to look it up by.
    assert [m["id"] for m in done.json] == [measured, None]
    sweeps(wrong, bad)
    assert hwprof("measure", "a.onnx").code == 1


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OptionError("two lines\nof it"), 2, "error: two lines of it"),
        (HwprofError("it broke"), 1, "error: it broke"),
        (DeviceError("away"), 1, "error: away"),
        (KeyboardInterrupt(), 130, "error: interrupted; what was measured before is saved"),
    ],
)
def test_every_error_is_one_line_after_what_was_measured(
    hwprof: Cli, sweeps: Callable[..., Library], error: BaseException, code: int, says: str
) -> None:
    sweeps(Outcome(JOB, example_measurement(0)), error)
    done = hwprof("measure", "a.onnx", "--json")
    assert (done.code, done.err) == (code, f"{says}\n")
    assert len(done.json) == 1


def test_what_was_cut_off_is_shown_with_what_ended_it(
    hwprof: Cli, sweeps: Callable[..., Library]
) -> None:
    sweeps(Outcome(JOB, example_measurement(0), example_failure(0)))
    done = hwprof("measure", "a.onnx")
    assert done.code == 1
    assert example_measurement(0).device.slug in done.out
    assert done.error.endswith(" ".join(example_failure(0).reason.split()))


def test_what_is_not_tried_again_is_said(hwprof: Cli, sweeps: Callable[..., Library]) -> None:
    sweeps(Outcome(JOB, failure=example_failure(0), resumed=True))
    done = hwprof("measure", "a.onnx", "--resume", "--timeout", "30")
    assert done.code == 1
    assert done.error.startswith("error: not tried again: ")


def test_every_result_that_could_not_be_saved_is_shown(
    hwprof: Cli, sweeps: Callable[..., Library]
) -> None:
    full = TableError("no space is left; free some")
    sweeps(*(Outcome(JOB, example_measurement(seed), unsaved=full) for seed in range(3)))
    done = hwprof("measure", "a.onnx")
    assert (done.code, done.error) == (1, "error: no space is left; free some")
    assert all(example_measurement(seed).subject.name in done.out for seed in range(3))
    assert "Saved in" not in done.out


def test_a_comparison_that_could_not_be_saved_is_shown(
    hwprof: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = example_measurement(0), example_measurement(1)

    def unsaved() -> None:
        full = TableError("no space is left; free some")
        raise UnsavedError(full, compare_module.compare_stored(a, b))

    monkeypatch.setattr(compare_module, "compare", Library(unsaved))
    done = hwprof("compare", "a.onnx", "b.onnx", "--json")
    assert (done.code, done.error) == (1, "error: no space is left; free some")
    assert (done.json["a"]["id"], done.json["b"]["id"]) == (a.id, b.id)


def test_a_bug_is_a_traceback(hwprof: Cli, sweeps: Callable[..., Library]) -> None:
    sweeps(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        hwprof("measure", "a.onnx")


def test_a_reader_that_went_away(
    hwprof: Cli, sweeps: Callable[..., Library], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hwprof.cli import app

    monkeypatch.setattr(app, "_reader_gone", lambda: 1)
    sweeps(BrokenPipeError(32, "Broken pipe"))
    done = hwprof("measure", "a.onnx")
    assert (done.code, done.err) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "sides", "changed"),
    [
        (("a.onnx", "b.onnx"), ("a.onnx", "b.onnx"), {}),
        (
            ("cpu:opt=none", "cpu", "--model", "m.onnx", "--threads", "2", "--batch", "4"),
            ("cpu:opt=none", "cpu"),
            {"model": Path("m.onnx"), "threads": 2, "batch": 4},
        ),
        (
            ("a", "b", "--device", "tvm-cpu", "--restarts", "9", "--shape", "x=2", "--lut", "t"),
            ("a", "b"),
            {
                "device": "tvm-cpu",
                "plan": Plan(restarts=9, per_op=False),
                "shapes": {"x": (2,)},
                "table": Path("t"),
            },
        ),
        (("a", "b", "--pin", "0"), ("a", "b"), {"plan": Plan(pin="0", restarts=5, per_op=False)}),
        (
            ("a", "b", "--precision", "0.5", "--budget", "1", "--pin", "none", "--meter", "psu"),
            ("a", "b"),
            {
                "plan": Plan(precision=0.5, budget_s=1, pin="none", restarts=5, per_op=False),
                "meter": "psu",
            },
        ),
        (("a", "b", "--input", "x=1"), ("a", "b"), {"inputs": {"x": "1"}}),
        (("a", "b", "--no-check-outputs"), ("a", "b"), {"check_outputs": False}),
        (("a", "b", "--timeout", "9"), ("a", "b"), {"timeout": 9.0}),
    ],
)
def test_compare(
    hwprof: Cli,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sides: tuple[str, str],
    changed: dict[str, Any],
) -> None:
    a, b = result("a"), result("b")
    compared = compare_module.compare_stored(a, b)
    library = Library(lambda: compared)
    monkeypatch.setattr(compare_module, "compare", library)
    done = hwprof("compare", *arguments, "--json")
    assert (done.code, done.err) == (0, "")
    assert (done.json["a"]["id"], done.json["b"]["id"]) == (a.id, b.id)
    ((given, options),) = library.calls
    assert given == sides
    assert options.pop("listen") is not None
    assert options == {
        "model": None,
        "device": None,
        "threads": None,
        "batch": None,
        "shapes": {},
        "inputs": None,
        "plan": None,
        "meter": None,
        "table": Path("hwprof.db"),
        "check_outputs": True,
        "timeout": None,
        **changed,
    }


def test_example(hwprof: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from hwprof.spaces import example

    path = tmp_path / "with space.onnx"
    path.write_bytes(b"1" * 2**20)
    library = Library(lambda: path)
    monkeypatch.setattr(example, "write_example", library)
    done = hwprof("example", "-o", path, "--force")
    assert library.calls == [((path,), {"overwrite": True})]
    assert f"hwprof measure '{path}'" in done.out
    assert "1.0 MiB" in done.out
