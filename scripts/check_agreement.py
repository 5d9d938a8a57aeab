"""Are outputs judged rightly? No device that computes the model is accused, every fault is caught.

Small networks in every number format that users deploy (scripts/agreement_models.py) are opened on
every CPU runtime that takes them, and their outputs judged as before a measurement. Then faults are
planted (scripts/agreement_faults.py): what is judged then is a model in which one weight, one
activation or one zero point is wrong. Both counts are printed. Runtimes that really compute
something else stand in `WRONG`, each with a proof that needs no reference: it is repeated here.

Exits with 1 when a device is accused that is not proven wrong, when a fault passes that could be
told, or when nothing was judged.

A fault that moves the outputs by less than quantising the network has moved them already cannot be
told from right answers: those that pass are listed as `hidden`. Both distances are taken between
plain graphs (the network in floats, in its format, and with the fault), whatever the verdict says.

    python scripts/check_agreement.py [--quick] [--devices openvino-cpu ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import onnx
from agreement_faults import Fault, faults
from agreement_models import INT4, KINDS, NETWORKS, NNCF, Unavailable, in_kind
from common import write
from onnx import TensorProto, helper, numpy_helper

from hwprof.convert.evaluate import evaluate
from hwprof.device_spec import DeviceSpec
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.devices.registry import available
from hwprof.errors import HwprofError, MeasurementError, ModelError
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.models.outputs import OutputTensor
from hwprof.profiler.agreement import Agreement
from hwprof.targets.base import Run
from hwprof.targets.worker import WorkerTarget

REFERENCE = "onnxruntime-cpu"
QUICK_DEVICES = ("onnxruntime-cpu", "openvino-cpu", "torch-cpu")
QUICK_KINDS = ("fp32", "fp16", "qdq u8s8", "dynamic", "int4 accuracy 4")
# In the quick run, so many faults of a kind are planted in a model.
QUICK_FAULTS = 2
# A fault that moves the outputs by less than this share of their length is none.
STRICT = 1e-3
SPEC = OnnxRuntimeCpu().spec
SIZE = 64


@dataclass(frozen=True)
class Row:
    network: str
    kind: str
    device: str
    outcome: str
    """`agrees`, `not judged`, `not opened`, `accused` or `proven wrong`."""
    text: str
    seconds: float


@dataclass(frozen=True)
class Planted:
    network: str
    kind: str
    fault: str
    where: str
    caught: bool
    hidden: bool
    """Whether the fault moves the outputs less than the number format itself does."""
    moved: float
    """How far it moves them, as a share of how far the format does; of floats, of `STRICT`."""
    text: str


class Answer:
    """What is judged in place of an open model: outputs that are known."""

    def __init__(self, outputs: tuple[OutputTensor, ...]) -> None:
        self._outputs = outputs

    def outputs(self) -> tuple[OutputTensor, ...]:
        return self._outputs


def single(
    nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], out: int
) -> onnx.ModelProto:
    """A model of x [8, SIZE], floats or bytes as `out` says, for proofs."""
    ends = [helper.make_tensor_value_info(name, out, [8, SIZE]) for name in "xy"]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(nodes, "proof", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def outputs_of(device: str, proto: onnx.ModelProto, folder: Path) -> np.ndarray:
    path = folder / "proof.onnx"
    onnx.save(proto, str(path))
    with WorkerTarget(device).start(load_model(path)) as run:
        return run.outputs()[0].array()


def wraps_around(folder: Path) -> str:
    """OpenVINO's QLinearAdd wraps around where it should stop at 0 and 255."""
    weights = [numpy_helper.from_array(np.array(1, np.float32), "s")]
    for name, zero in (("xz", 100), ("z", 0)):
        weights.append(numpy_helper.from_array(np.array(zero, np.uint8), name))
    weights.append(numpy_helper.from_array(np.full((8, SIZE), 20, np.uint8), "b"))
    names = ["x", "s", "xz", "b", "s", "z", "s", "z"]
    node = helper.make_node("QLinearAdd", names, ["y"], domain="com.microsoft")
    found = outputs_of("openvino-cpu", single([node], weights, TensorProto.UINT8), folder)
    # x is 0 or 1, so that x - 100 + 20 is below 0, and 0 is the least byte.
    return "" if not found.any() else f"x - 100 + 20, from 0 up, is {found.max()} for x of 0 and 1"


def keeps_negatives(folder: Path) -> str:
    """MNN leaves out the cut-off of a QuantizeLinear, which does the work of a Relu."""
    weights = [
        numpy_helper.from_array(np.array(0.01, np.float32), "s"),
        numpy_helper.from_array(np.array(0, np.uint8), "z"),
        numpy_helper.from_array(-np.eye(SIZE, dtype=np.float32), "minus"),
        numpy_helper.from_array(np.eye(SIZE, dtype=np.float32), "same"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "minus"], ["n"]),
        helper.make_node("QuantizeLinear", ["n", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["d", "same"], ["y"]),
    ]
    found = outputs_of("mnn-cpu", single(nodes, weights, TensorProto.FLOAT), folder)
    return "" if found.min() >= 0 else f"a byte from 0 to 255 times 0.01 is {found.min():.2f}"


# Devices that compute kinds of models wrongly, with the proof.
WRONG: dict[tuple[str, str], Callable[[Path], str]] = {
    ("openvino-cpu", "qoperator"): wraps_around,
    ("mnn-cpu", "qdq u8s8"): keeps_negatives,
    ("mnn-cpu", "qdq s8s8"): keeps_negatives,
    ("mnn-cpu", "nncf int8"): keeps_negatives,
}


def judged(agreement: Agreement, model: Model, spec: DeviceSpec, run: Run) -> tuple[str, str]:
    """Outcome, and the sentence that a user reads."""
    check = agreement.of(model, spec)
    if check is None:
        return "agrees", "the reference itself"
    try:
        agreed = check(run)
    except MeasurementError as error:
        return "accused", str(error)
    if agreed.error is None or agreed.allowed is None:
        return "not judged", agreed.text
    return ("agrees" if agreed.error <= agreed.allowed else "not judged"), agreed.text


def row(
    agreement: Agreement, model: Model, where: tuple[str, str, str], proven: Callable[..., str]
) -> Row:
    network, kind, device = where
    started = time.monotonic()
    try:
        target = WorkerTarget(device)
        with target.start(model) as run:
            outcome, text = judged(agreement, model, target.spec, run)
    except HwprofError as error:
        outcome, text = "not opened", str(error)
    if outcome == "accused" and (proof := proven(device, kind)):
        outcome, text = "proven wrong", f"{proof}; {text}"
    return Row(network, kind, device, outcome, text, time.monotonic() - started)


def planted(
    agreement: Agreement, model: Model, plain: Path, fault: Fault, where: tuple[str, str]
) -> Planted | None:
    """Judge the outputs of a faulty model as if a device had computed them from the right one.

    `plain` is the network in floats. None where the fault does not open, or changes nothing.
    """
    path = plain.parent / "faulty.onnx"
    onnx.save(fault.model, str(path))
    try:
        wrong = here(replace(model, path=path))
        right = here(model)
    except HwprofError:
        return None
    if fault.turned:
        wrong = tuple(turned(output) for output in wrong)
    size = float(np.linalg.norm(right[0].array().astype(np.float64)))
    off = apart(wrong, right)
    if off <= STRICT * size:
        return None
    moved = off / max(apart(here(replace(model, path=plain)), right), STRICT * size)
    spec = replace(SPEC, name="planted", precision="fp32")
    outcome, text = judged(agreement, model, spec, Answer(wrong))  # type: ignore[arg-type]
    network, kind = where
    caught = outcome == "accused"
    return Planted(network, kind, fault.kind, fault.where, caught, moved < 1, moved, text)


def here(model: Model) -> tuple[OutputTensor, ...]:
    """Outputs of the plain graph, computed in this process. Raises ModelError.

    By onnx's evaluator where ONNX Runtime has no kernels for the types.
    """
    try:
        with OnnxRuntimeCpu(level="none").open(model) as session:
            return session.outputs()
    except ModelError:
        pass
    try:
        return evaluate(model)
    except Exception as error:  # the evaluator raises whatever its operators do
        raise ModelError(f"nothing computes '{model.path.name}': {error}") from error


def apart(one: tuple[OutputTensor, ...], other: tuple[OutputTensor, ...]) -> float:
    first, second = (each[0].array().astype(np.float64) for each in (one, other))
    return float(np.linalg.norm(first - second)) if first.shape == second.shape else float("inf")


def turned(output: OutputTensor) -> OutputTensor:
    """The elements in the order of the last two dimensions turned; a row of them, backwards."""
    array = output.array()
    matrix = array.reshape(-1, array.shape[-1])
    order = matrix.T if matrix.shape[0] > 1 else matrix[:, ::-1]
    return OutputTensor.of(np.ascontiguousarray(order).reshape(array.shape))


def parse() -> argparse.Namespace:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="fewer devices, formats and faults")
    made.add_argument("--devices", nargs="*", help="instead of every CPU runtime there is")
    made.add_argument("--networks", nargs="*", default=list(NETWORKS))
    made.add_argument("--formats", nargs="*", help="instead of every number format")
    made.add_argument("--json", type=Path, help="write every row to this file")
    return made.parse_args()


def chosen(faulty: Iterator[Fault], quick: bool) -> Iterator[Fault]:
    seen: Counter[str] = Counter()
    for fault in faulty:
        seen[fault.kind] += 1
        if not quick or seen[fault.kind] <= QUICK_FAULTS:
            yield fault


def main() -> int:
    options = parse()
    devices = options.devices or [
        each.name
        for each in available()
        if each.available
        and each.name.endswith("-cpu")
        and (not options.quick or each.name in QUICK_DEVICES)
    ]
    kinds = options.formats or (QUICK_KINDS if options.quick else (*KINDS, *INT4, *NNCF))
    rows: list[Row] = []
    faulty: list[Planted] = []
    proofs: dict[Callable[[Path], str], str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def proven(device: str, kind: str) -> str:
            proof = WRONG.get((device, kind))
            if proof is None:
                return ""
            if proof not in proofs:
                try:
                    proofs[proof] = proof(folder)
                except HwprofError as error:
                    print(f"no proof: {error}")
                    proofs[proof] = ""
            return proofs[proof]

        for network in options.networks:
            for kind in kinds:
                path = in_kind(network, kind, folder)
                if isinstance(path, Unavailable):
                    print(f"{network:8} {kind:18} unavailable, because {path.reason}", flush=True)
                    continue
                model, agreement = load_model(path), Agreement()
                floats = in_kind(network, "double" if kind == "double" else "fp32", folder)
                assert isinstance(floats, Path)
                for device in devices:
                    rows.append(row(agreement, model, (network, kind, device), proven))
                    print(line(rows[-1]), flush=True)
                for fault in chosen(faults(onnx.load(str(path))), options.quick):
                    found = planted(agreement, model, floats, fault, (network, kind))
                    if found is not None:
                        faulty.append(found)
                print(caught_line(network, kind, faulty), flush=True)
    write(options.json, {"devices": list(map(asdict, rows)), "faults": list(map(asdict, faulty))})
    return summary(rows, faulty)


def line(row: Row) -> str:
    text = row.text if len(row.text) < 150 else row.text[:147] + "..."
    where = f"{row.network:8} {row.kind:18} {row.device:16}"
    return f"{where} {row.outcome:12} {row.seconds:5.1f} s  {text}"


def caught_line(network: str, kind: str, faulty: list[Planted]) -> str:
    here = [each for each in faulty if (each.network, each.kind) == (network, kind)]
    caught, hidden = sum(f.caught for f in here), sum(f.hidden and not f.caught for f in here)
    return f"{network:8} {kind:18} {len(here)} faults planted, {caught} caught, {hidden} hidden"


def summary(rows: list[Row], faulty: list[Planted]) -> int:
    counts = Counter(row.outcome for row in rows)
    missed = [each for each in faulty if not each.caught and not each.hidden]
    hidden = [each for each in faulty if not each.caught and each.hidden]
    print(", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
    for each in hidden:
        print(
            f"hidden: {each.network} {each.kind}: {each.fault} at {each.where}, "
            f"{each.moved:.2f} of what the format itself does"
        )
    for each in missed:
        where = f"{each.network} {each.kind}: {each.fault} at {each.where}"
        print(f"missed: {where}, {each.moved:.2f}: {each.text}")
    print(
        f"{counts['accused']} false accusations; {len(faulty)} faults planted, "
        f"{sum(each.caught for each in faulty)} caught, {len(hidden)} hidden, {len(missed)} missed"
    )
    return 1 if counts["accused"] or missed or not counts["agrees"] or not faulty else 0


if __name__ == "__main__":
    sys.exit(main())
