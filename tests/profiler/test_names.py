"""Models of one campaign are called so that each is known from the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hwprof
from hwprof.errors import OptionError, WrongModel
from hwprof.lut import Table
from hwprof.machine.host import snapshot
from hwprof.profiler.arguments import check_name, check_tags
from hwprof.profiler.names import names_of
from hwprof.profiler.plan import Plan
from hwprof.profiler.sweep import sweep
from hwprof.samples import Samples
from hwprof.testing.replay import ReplayDevice, ReplayTarget, replay_spec
from tests.small_models import mlp_proto

QUICK = Plan(pin="none", per_op=False, restarts=1)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["model.onnx"], [None]),
        (["a/one.onnx", "b/two.onnx"], [None, None]),
        (["a/model.onnx", "b/model.onnx"], ["a/model", "b/model"]),
        (["a/model.onnx", "b/model.onnx", "other.onnx"], ["a/model", "b/model", None]),
        (["x/a/m.onnx", "y/a/m.onnx", "b/m.onnx"], ["x/a/m", "y/a/m", "b/m"]),
        (["/m.onnx", "/a/m.onnx"], ["m", "a/m"]),
        (["net.onnx", "net.pt2"], ["net.onnx", "net.pt2"]),
        (["a/net.onnx", "a/net.pt2", "b/net.pt2"], ["a/net.onnx", "a/net.pt2", "b/net"]),
        (["m.onnx", "./m.onnx", "x/../m.onnx"], [None, None, None]),
        (["/a/m.onnx", "/b/m.onnx", "/a/m.onnx"], ["a/m", "b/m", "a/m"]),
        (["/a/caf\udce9.onnx", "/b/caf\udce9.onnx"], ["a/caf\\xe9", "b/caf\\xe9"]),
    ],
)
def test_as_much_of_the_folder_as_it_takes(paths: list[str], names: list[str | None]) -> None:
    assert names_of([Path(path) for path in paths]) == names


parts = st.sampled_from(["a", "b", "m"])


@given(st.lists(st.lists(parts, min_size=1, max_size=4), min_size=1, max_size=8))
def test_unlike_files_have_unlike_names(folders: list[list[str]]) -> None:
    paths = [Path("/", *folder).with_suffix(s) for folder in folders for s in (".onnx", ".pt2")]
    names = names_of(paths)
    called = {p: p.stem if n is None else n for p, n in zip(paths, names, strict=True)}
    assert len(set(called.values())) == len(set(paths))
    for path, name in called.items():
        assert path.as_posix().removesuffix(path.suffix).endswith(name.removesuffix(path.suffix))


@pytest.fixture
def target() -> ReplayTarget:
    wall = np.full(64, 1e-3)
    samples = Samples(wall, wall, np.zeros(64, dtype=np.int64))
    return ReplayTarget([ReplayDevice(samples, spec=replay_spec(1))], snapshot())


@pytest.fixture
def twins(tmp_path: Path) -> list[Path]:
    """Two models of one name in two folders."""
    paths = [tmp_path / folder / "model.onnx" for folder in ("a", "b")]
    for width, path in enumerate(paths, 9):
        path.parent.mkdir()
        onnx.save(mlp_proto(width=width), str(path))
    return paths


def run(models: object, target: ReplayTarget, **options: Any) -> list[hwprof.Outcome]:
    return list(sweep(models, target, plan=QUICK, check_outputs=False, **options))  # type: ignore[arg-type]


def test_a_sweep_calls_them_so(twins: list[Path], target: ReplayTarget, tmp_path: Path) -> None:
    with Table.open(tmp_path / "t.db") as table:
        found = run(twins, target, table=table, tags=["pair", "pair"])
        assert table.names() == ["a/model", "b/model"]
        assert {m.tags for m in table.measurements()} == {("pair",)}
        # A name is no part of what was measured: alone, it is the same.
        (again,) = run(twins[0], target, table=table, resume=True, tags=["other"])
        assert again.resumed
        assert again.measurement == found[0].measurement
        (named,) = run(twins[0], target, table=table, name="mine")
        assert named.measurement is not None
        assert named.measurement.subject.name == "mine"


def test_a_name_is_for_one_file(twins: list[Path], target: ReplayTarget) -> None:
    for options in ({"models": twins}, {"space": "nasbench201", "sample": 1}):
        with pytest.raises(OptionError, match="single model file"):
            sweep(devices=target, name="mine", **options)  # type: ignore[arg-type]


def test_architectures_are_tagged(target: ReplayTarget) -> None:
    (one,) = run((), target, space="nasbench201", sample=1, resolution=16, tags=("nas",))
    assert one.measurement is not None
    assert one.measurement.tags == ("nas",)


def test_what_was_asked_wrongly_is_refused_and_no_row(
    twins: list[Path], target: ReplayTarget, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(twins[0].read_bytes()[:100])
    with Table.open(tmp_path / "t.db") as table:
        models = [tmp_path / "gone.onnx", tmp_path, cut, twins[0]]
        outcomes = run(models, target, table=table)
        assert [o.refused for o in outcomes] == [True, True, False, False]
        assert [o.failure is None for o in outcomes] == [False, False, False, True]
        (shaped,) = run(twins[0], target, table=table, shapes={"x": (9, 9)})
        assert shaped.refused
        (kept,) = table.failures()
        assert kept.subject == str(cut)


def test_files_that_are_all_missing_are_refused_at_once(
    target: ReplayTarget, tmp_path: Path
) -> None:
    for models in (tmp_path / "gone.onnx", [tmp_path / "gone.onnx", tmp_path / "lost.onnx"]):
        with pytest.raises(WrongModel, match=r"no file .*gone\.onnx"):
            sweep(models, target, table=tmp_path / "t.db")
    with pytest.raises(WrongModel, match="is a folder"):
        sweep(tmp_path, target)
    with pytest.raises(WrongModel, match="check the path"):
        sweep("x" * 300, target)
    assert list(tmp_path.iterdir()) == []


def test_measure_marks_and_calls_it(twins: list[Path], target: ReplayTarget) -> None:
    found = hwprof.measure(
        twins[0], target, QUICK, name="mine", tags=["one", "two"], check_outputs=False
    )
    assert found.tags == ("one", "two")
    assert found.subject.name == "mine"


@pytest.mark.parametrize(
    "tags", ["nightly", ["a,b"], [""], [" a"], ["a\n"], ["a\tb"], [3], None, ["caf\udce9"]]
)
def test_tags_that_cannot_be_listed_are_refused(tags: object) -> None:
    with pytest.raises(OptionError, match="tag"):
        check_tags(tags)


@pytest.mark.parametrize("name", ["", "  ", 3, "caf\udce9"])
def test_names_that_cannot_be_kept_are_refused(name: object) -> None:
    with pytest.raises(OptionError, match="name"):
        check_name(name)
