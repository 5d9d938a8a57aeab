"""Networks written down: what all kinds of layers share."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hwprof.errors import OptionError
from hwprof.spaces.attention import Tape
from hwprof.spaces.base import Costs
from hwprof.spaces.building import Network
from hwprof.spaces.recorder import CONSTANT, Recorder, check_batch, total
from hwprof.spaces.work import Work
from tests.spaces import networks

BOTH = pytest.mark.parametrize("kind", [Network, Tape])


def test_a_recorder_alone_has_no_layers() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Recorder()  # type: ignore[abstract]


@BOTH
def test_costs_are_counted_on_the_way(kind: type[Recorder]) -> None:
    recorder = kind()
    assert recorder.costs == Costs(0, 0, 0)
    x = recorder.input("x", 2, 3)
    y = recorder.node("MatMul", "product", [x, recorder.weight("w", 3, 5)], (2, 5), inner=3)
    assert recorder.costs == Costs(2 * 3 * 10, 15, 4 * 10)
    y = recorder.add("sum", y, recorder.number("half", 0.5))
    assert recorder.costs == Costs(2 * 3 * 10 + 10, 15, 4 * 20)
    recorder.node("Reshape", "flat", [y, recorder.integers("to", [10])], (10,))
    assert recorder.costs == Costs(2 * 3 * 10 + 10, 15, 4 * 20)
    recorder.node("Relu", "own", [y], (2, 5), each=7)
    assert recorder.costs.flops == 2 * 3 * 10 + 10 + 70


@BOTH
def test_work_is_counted_by_kind(kind: type[Recorder]) -> None:
    recorder = kind()
    x, ids = recorder.input("x", 1, 8, 4, 4), recorder.input("ids", 3, dtype="int64")
    alone, pair = recorder.weight("alone", 8, 1, 3, 3), recorder.weight("pair", 8, 4, 1, 1)
    y = recorder.node("Conv", "alone", [x, alone], x.shape, 9, group=8)
    assert recorder.costs.work == Work.of(4 * (128 + 72 + 128), depthwise=9 * 128, taps=9)
    y = recorder.node("Conv", "pair", [y, pair], x.shape, 4, group=2)
    flat = recorder.node("Reshape", "flat", [y, recorder.integers("to", [8, 16])], (8, 16))
    work = recorder.costs.work
    assert work is not None
    assert (work.arithmetic, work.operators) == (4 * 128, 2)
    recorder.node("MatMul", "scores", [flat, flat], (8, 8), 16)
    assert recorder.costs.work is not None
    assert recorder.costs.work.attention == 16 * 64
    recorder = kind()
    table = recorder.weight("table", 1000, 2)
    recorder.node("Gather", "rows", [table, ids], (3, 2), axis=0)
    # Six numbers are picked and written; the ids have eight bytes each.
    assert recorder.costs.work == Work.of(4 * 6 + 8 * 3 + 4 * 6)


@BOTH
def test_a_model_has_what_was_written_down(kind: type[Recorder]) -> None:
    recorder = kind()
    x, ids = recorder.input("x", 4, 2), recorder.input("ids", 3, dtype="int64")
    table = recorder.weight("table", 5, 2, mean=1.0, deviation=0.0)
    rows = recorder.node("Gather", "rows", [table, ids], (3, 2), axis=0)
    sizes = recorder.integers("int", [1, 3])
    first, rest = recorder.outputs("Split", "x", [x, sizes], ((1, 2), (3, 2)), axis=0)
    y = recorder.multiply("mix", recorder.add("mix", rest, rows), first)
    model = recorder.model("both", y)
    onnx.checker.check_model(model, full_check=True)
    assert [o.name for o in model.graph.output] == ["logits"]
    names = [t.name for t in model.graph.initializer]
    assert names == [f"{CONSTANT}int1x3", "table"]
    assert numpy_helper.to_array(model.graph.initializer[1]).tolist() == [[1, 1]] * 5
    given = {
        "x": np.arange(8, dtype=np.float32).reshape(4, 2),
        "ids": np.array([0, 4, 2], dtype=np.int64),
    }
    (logits,) = networks.session(model).run(None, given)
    assert logits.tolist() == [[0, 4], [0, 6], [0, 8]]


@BOTH
def test_mistakes_of_the_writer_are_told(kind: type[Recorder]) -> None:
    recorder = kind()
    x = recorder.input("x", 2)
    recorder.weight("w", 2)
    with pytest.raises(ValueError, match="two weights w"):
        recorder.weight("w", 2)
    with pytest.raises(ValueError, match="does not count NonZero"):
        recorder.node("NonZero", "x", [x], (2,))
    assert recorder.costs == Costs(0, 2, 0)


def test_total_adds_each_cost() -> None:
    assert total([Costs(1, 2, 3), Costs(10, 20, 30)]) == Costs(11, 22, 33)
    both = [Costs(1, 2, 3, Work.of(5, 6)), Costs(1, 2, 3, Work.of(50, attention=7))]
    assert total(both).work == Work.total(cost.work for cost in both if cost.work)
    assert total([*both, Costs(1, 2, 3)]).work is None


@pytest.mark.parametrize("batch", [0, -1, 1.0, True, "2"])
def test_a_batch_is_a_whole_number_from_1(batch: object) -> None:
    with pytest.raises(OptionError, match=f"batch must be a whole number from 1, but is {batch}"):
        check_batch(batch)  # type: ignore[arg-type]
    check_batch(np.int64(1))  # type: ignore[arg-type]
