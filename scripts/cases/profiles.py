"""Kernels under control flow: they never cost the latency, they add up, and they have owners."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import onnx

import hwprof
from cases.verdicts import Case, Setting, Verdict, attempt, said
from hwprof.measurement import Measurement, WarningCode
from hwprof.profile import Profile
from hwprof.report.facts import by_op
from tests.models_of_reports import loops, plain
from tests.models_of_reports.reports import BY_NAME

GAP = 0.15
TRIES = 3
# More than any processor's core computes in a second.
IMPOSSIBLE_FLOPS = 1e12
PRODUCTS = ("MatMul", "FusedMatMul", "Gemm", "FusedGemm")
TOLD = (WarningCode.KERNELS_DO_NOT_ADD_UP, WarningCode.KERNELS_BELOW_CLOCK)
CHAIN = 8000


def kept(name: str, build: Callable[[], onnx.ModelProto], setting: Setting) -> Iterator[Verdict]:
    """The latency is measured and saved, whatever becomes of the profile."""
    path = setting.saved(name, build())
    with hwprof.Table.open(setting.folder / f"{name}.db") as table:
        inputs = dict(BY_NAME[name].feed()) if name in BY_NAME else None
        options = {} if inputs is None else {"inputs": inputs}
        found = attempt(path, plan=setting.plan(per_op=True), table=table, **options)
        saved = sum(1 for _ in table.measurements())
    if isinstance(found, Exception):
        yield Verdict(name, "", "wrong", f"{said(found)} ({saved} rows)")
    elif found.profile is None and not found.profile_reason:
        yield Verdict(name, "", "wrong", "no kernels, and no reason why")
    else:
        kernels = found.profile_reason or f"{len(found.profile.occurrences)} kernels"
        outcome = "right" if saved == 1 else "wrong"
        yield Verdict(name, "", outcome, f"{kernels}; {saved} row")


def profiled(name: str, model: onnx.ModelProto, setting: Setting) -> Measurement | str:
    found = attempt(setting.saved(name, model), plan=setting.plan(per_op=True))
    if isinstance(found, Exception):
        return said(found)
    return found if found.profile is not None else f"no kernels: {found.profile_reason}"


def add_up(
    name: str, build: Callable[[], onnx.ModelProto], flops: int, setting: Setting
) -> Iterator[Verdict]:
    """The sum of kernels is the latency or carries a warning; rates count every call's work.

    `flops` is what one run does in its matrix products.
    """
    verdict = Verdict(name, "", "wrong", "not measured")
    for _ in range(TRIES):
        found = profiled(name, build(), setting)
        if isinstance(found, str) or found.profile is None:
            verdict = Verdict(name, "", "wrong", str(found))
            break
        problem = _rates(found.profile, flops)
        total = found.profile.total_s()
        gap = float("nan") if total is None else total / found.latency.headline_s - 1
        codes = [w.code.value for w in found.warnings if w.code in TOLD]
        text = f"sum {gap:+.1%}" + (f", warned: {', '.join(codes)}" if codes else "")
        if problem:
            verdict = Verdict(name, "", "wrong", f"{text}; {problem}")
            break
        fits = abs(gap) <= GAP
        outcome = "right" if fits else "warned" if codes else "wrong"
        verdict = Verdict(name, "", outcome, text, {"gap": gap})
        if fits:
            break
    yield verdict


def _rates(profile: Profile, flops: int) -> str:
    ops = by_op(profile)
    products = [op.flops for op in ops if op.op in PRODUCTS]
    counted = sum(f for f in products if f is not None)
    # A bias may be fused into a product.
    if None not in products and not flops <= counted <= 1.1 * flops:
        return f"matrix products count {counted} FLOPs of {flops}"
    for op in ops:
        if op.flops and op.seconds > 0 and op.flops / op.seconds > IMPOSSIBLE_FLOPS:
            return f"{op.op} at {op.flops / op.seconds / 1e9:.0f} GFLOP/s"
    return ""


def attributed(setting: Setting) -> Iterator[Verdict]:
    """The work inside a function belongs to the node that calls it: one product to each layer."""
    found = profiled("layers_as_functions", loops.layers_as_functions(), setting)
    if isinstance(found, str) or found.profile is None:
        yield Verdict("layers_as_functions", "", "wrong", str(found))
        return
    owners = [
        o.source_nodes for o in found.profile.occurrences if "MatMul" in (o.kernel.op, o.name)
    ]
    layers = [
        {f"layer{i}" for i in range(loops.LAYERS) for n in nodes if n.startswith(f"layer{i}")}
        for nodes in owners
    ]
    right = [{f"layer{i}"} for i in range(loops.LAYERS)]
    outcome = "right" if layers == right else "wrong"
    yield Verdict("layers_as_functions", "", outcome, f"the products belong to {owners}")


def matmul_flops(name: str) -> int:
    """What one run of the model does in its matrix products, two operations for each product."""
    steps, d = loops.SUM_STEPS, loops.SUM_WIDTH
    if name != "growing_cache":
        return steps * 2 * d * d
    return sum(2 * (32 * 32 + 2 * length * 32) for length in range(1, 13))


_SURVIVE: dict[str, Callable[[], onnx.ModelProto]] = {
    "embedding_bags": BY_NAME["embedding_bags"].build,
    **{f"two_gathers_{k}": partial(loops.two_gathers, k) for k in loops.LENGTHS},
    "long_loop": loops.long_loop,
    "many_nodes": partial(plain.chain, CHAIN),
}
_SUMS: dict[str, Callable[[], onnx.ModelProto]] = {
    "recurrent_loop": loops.recurrent_loop,
    "recurrent_scan": loops.recurrent_scan,
    "growing_cache": plain.growing_cache,
}

CASES = (
    *(
        Case(
            f"profile_{name}", "a profile that fails costs only itself", partial(kept, name, build)
        )
        for name, build in _SURVIVE.items()
    ),
    *(
        Case(
            f"sum_{name}",
            "kernels under control flow add up",
            partial(add_up, name, build, matmul_flops(name)),
        )
        for name, build in _SUMS.items()
    ),
    Case("owners_of_functions", "work inside a function has an owner", attributed),
)
