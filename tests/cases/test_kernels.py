"""Kernels in loops, scans and functions: how often they ran, what they did, whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest

from hwprof.devices.registry import connect
from hwprof.models.load import load_model
from hwprof.opcosts import flops
from hwprof.profile import KernelOccurrence, Profile
from tests.models_of_reports import loops, plain, valued

Profiled = Callable[..., Profile]
Build = Callable[..., onnx.ModelProto]


@pytest.fixture
def profiled(tmp_path: Path) -> Profiled:
    """The profile of a few runs in this process."""

    def answer(model: onnx.ModelProto, runs: int = 3) -> Profile:
        path = tmp_path / "model.onnx"
        onnx.save(model, str(path))
        with connect("onnxruntime-cpu").open(load_model(path)) as session:
            session.time(1)
            return session.profile(runs).profile

    return answer


def of_op(profile: Profile, op: str) -> list[KernelOccurrence]:
    return [o for o in profile.occurrences if o.kernel.op == op]


def covering(profile: Profile, node: str) -> list[KernelOccurrence]:
    """Kernels that do the work of this node, fused with others or not."""
    return [o for o in profile.occurrences if any(n.endswith(node) for n in o.source_nodes)]


def work(occurrences: Sequence[KernelOccurrence]) -> int | None:
    """Operations of one run in all calls; None where those of any are not known."""
    total = 0
    for each in occurrences:
        known = flops(each.kernel)
        if known is None:
            return None
        total += known * each.calls
    return total


@pytest.mark.parametrize("lengths", loops.LENGTHS)
def test_equal_operators_of_a_body_are_told_apart(lengths: str, profiled: Profiled) -> None:
    profile = profiled(loops.two_gathers(lengths))
    calls = Counter[str]()
    for each in profile.occurrences:
        calls[each.kernel.op] += each.calls
    # Four steps: a length and its rows each; and the one node outside of the loop.
    assert calls["Gather"] == 8
    assert calls["Slice"] == calls["ReduceSum"] == 4
    assert calls["Mul"] == 1


def test_a_body_is_counted_as_often_as_it_ran(profiled: Profiled) -> None:
    profile = profiled(loops.long_loop(steps=40, nodes=10), runs=2)
    assert sum(o.calls for o in of_op(profile, "Sin")) == 200
    assert sum(o.calls for o in of_op(profile, "Cos")) == 200


@pytest.mark.parametrize("build", [loops.recurrent_loop, loops.recurrent_scan])
def test_the_work_of_a_body_is_that_of_every_step(build: Build, profiled: Profiled) -> None:
    products = covering(profiled(build(steps=12, d=32)), "product")
    assert sum(o.calls for o in products) == 12
    # The bias may be fused into the product.
    assert work(products) in (12 * 2 * 32 * 32, 12 * (2 * 32 * 32 + 32))


def test_work_that_grows_from_step_to_step_is_summed_or_unknown(profiled: Profiled) -> None:
    profile = profiled(plain.growing_cache(steps=4, d=16))
    right = sum(2 * (16 * 16 + 2 * length * 16) for length in (1, 2, 3, 4))
    products = [o for n in ("key", "score", "mix") for o in covering(profile, n)]
    assert sum(o.calls for o in products) == 12
    assert work(products) in (None, right)


def test_a_baked_number_of_steps_runs(profiled: Profiled) -> None:
    profile = profiled(valued.steps(fixed=7))
    assert sum(o.calls for o in of_op(profile, "Tanh")) == 7


def test_work_inside_a_function_belongs_to_the_node_that_calls_it(profiled: Profiled) -> None:
    profile = profiled(loops.layers_as_functions())
    products = of_op(profile, "MatMul")
    assert len(products) == loops.LAYERS
    for i, each in enumerate(products):
        assert each.source_nodes
        assert all(node.startswith(f"layer{i}") for node in each.source_nodes)


def test_many_nodes_without_names_are_all_there(profiled: Profiled) -> None:
    profile = profiled(plain.chain(400), runs=2)
    assert sum(o.calls for o in profile.occurrences) == 400
