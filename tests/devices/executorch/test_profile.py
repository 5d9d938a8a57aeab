"""Outputs and per-kernel profiles of the mixed model."""

from __future__ import annotations

import numpy as np
import pytest

from hwprof.devices.executorch.join import CALL
from hwprof.devices.profiled_runs import ROUNDS
from hwprof.profile import KernelOccurrence
from tests.devices.executorch.conftest import RUNS, Measured

NODES = ["conv", "norm", "relu6", "depthwise", "residual", "relu", "cumsum", "pool", "gemm"]


def by_source(run: Measured, node: str) -> KernelOccurrence:
    (found,) = (o for o in run.run.profile.occurrences if node in o.source_nodes)
    return found


@pytest.mark.parametrize(
    ("name", "tolerance"), [("delegated", 1e-5), ("portable", 1e-5), ("quantised", 0.05)]
)
def test_outputs_agree_with_onnx_runtime(
    name: str,
    tolerance: float,
    reference: tuple[np.ndarray, ...],
    request: pytest.FixtureRequest,
) -> None:
    found: Measured = request.getfixturevalue(name)
    for outputs in (found.outputs, found.later):
        assert len(outputs) == len(reference)
        for mine, theirs in zip(outputs, reference, strict=True):
            assert np.abs(mine - theirs).max() <= tolerance * np.abs(theirs).max()


@pytest.mark.parametrize("name", ["delegated", "portable", "quantised"])
def test_every_working_node_belongs_to_one_kernel(
    name: str, request: pytest.FixtureRequest
) -> None:
    found: Measured = request.getfixturevalue(name)
    profile = found.run.profile
    covered = [node for each in profile.occurrences for node in each.source_nodes]
    assert len(covered) == len(set(covered))
    assert set(NODES) <= set(covered)
    assert profile.uncovered == ()


def test_times_are_seconds_and_add_up_to_less_than_the_run(delegated: Measured) -> None:
    profile = delegated.run.profile
    assert RUNS <= profile.run_wall_s.size <= ROUNDS * RUNS
    total = np.sum([each.durations_s for each in profile.occurrences], axis=0)
    assert np.all(total > 0)
    assert np.all(total <= profile.run_wall_s)


def test_fused_nodes_go_to_the_kernel_that_computes_them(delegated: Measured) -> None:
    conv = by_source(delegated, "conv")
    assert conv.source_nodes == ("conv", "norm", "relu6")
    assert conv.provider == "XnnpackBackend"
    assert conv.kernel.op == "Conv2d"
    assert conv.kernel.attributes["kernel"].startswith("Convolution (NHWC, F32)")
    assert [t.describe() for t in conv.kernel.inputs if t] == [
        "float32[2,16,16,3]",
        "const float32[8,3,3,3]",
        "const float32[8]",
    ]
    assert by_source(delegated, "residual").source_nodes == ("residual", "relu")


def test_what_xnnpack_leaves_runs_natively(delegated: Measured) -> None:
    native = by_source(delegated, "cumsum")
    assert native.provider == "native kernels"
    assert native.kernel.key == ("org.pytorch.executorch:aten::cumsum.out{dim=1}(float32[2,8,7,7])")


def test_each_delegate_has_its_own_overhead(delegated: Measured) -> None:
    calls = [o for o in delegated.run.profile.occurrences if o.kernel.op == CALL]
    assert len(calls) == 2  # the cumulative sum stands between them
    assert all(np.all(call.durations_s > 0) for call in calls)


def test_portable_runs_no_delegate(portable: Measured) -> None:
    occurrences = portable.run.profile.occurrences
    assert {each.provider for each in occurrences} == {"native kernels"}
    assert by_source(portable, "conv").kernel.inputs[1].constant  # type: ignore[union-attr]


def test_int8_runs_integer_kernels(quantised: Measured) -> None:
    conv = by_source(quantised, "conv")
    assert "norm" in conv.source_nodes  # folded into the weights before quantising
    assert [t.dtype for t in conv.kernel.inputs if t] == ["int8", "int8", "int32"]
    assert "QC8" in conv.kernel.attributes["kernel"]


def test_weights_are_counted(delegated: Measured, quantised: Measured) -> None:
    floats = 8 * 27 + 8 * 9 + 80 + 10
    assert delegated.run.weights_bytes is not None
    assert delegated.run.weights_bytes >= 4 * floats
    assert quantised.run.weights_bytes is not None
    assert quantised.run.weights_bytes < delegated.run.weights_bytes
