"""Every CPU runtime on the same models: do outputs agree, and do kernels add up to end-to-end?

Devices take turns on each model, after their outputs were compared with ONNX Runtime's. The sum of
the per-op latencies, corrected for the profiler's own cost, must lie within the figure that
docs/backends.md gives for the runtime; a pair that misses it is measured again, for a neighbour's
burst looks the same. A sum is judged only on a quiet machine: what other processes and other guests
of the hypervisor take of the processors is counted meanwhile, so that noise alone never fails this.
Exits with 1 when a device fails, disagrees or does not add up, or when fewer than six are measured.

    python scripts/check_backends.py [--docs docs/backends.md] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from hwprof import Table, spaces
from hwprof.devices.registry import available
from hwprof.measurement import Measurement, WarningCode
from hwprof.profiler.agreement import Agreement
from hwprof.profiler.campaign import Job, in_turns, run_campaign
from hwprof.profiler.plan import Plan
from hwprof.targets.worker import WorkerTarget

# Largest gap between the sum of kernels and end-to-end, over these models when quiet, rounded up.
# None: the runtime gives no kernels.
RECONCILES: dict[str, float | None] = {
    "executorch-cpu": 0.15,
    "litert-cpu": 0.15,
    "mnn-cpu": 0.20,
    "ncnn-cpu": 0.20,
    "onnxruntime-cpu": 0.15,
    "openvino-cpu": 0.15,
    "torch-cpu": 0.15,
    "tvm-cpu": 0.10,
}
LEAST = 6
TRIES = 4
# Others may take this share of one processor before a sum is no longer judged: the services of a
# quiet machine stay below it.
QUIET = 0.05
BEGIN, END = "<!-- figures: scripts/check_backends.py -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Row:
    """What one device did on one model."""

    model: str
    device: str
    latency_s: float
    ratio: float
    outputs: str
    kernels: int
    covered: float | None
    """Share of the source nodes with work to do that a kernel claims."""
    gap: float | None
    per_op: str
    """Why there are no kernels."""
    contended: bool
    """Whether somebody else used the processor: the sum is then shown, and not judged."""


class Others:
    """What everybody but this process and its workers takes of the processors, from /proc/stat."""

    def __init__(self) -> None:
        self._start = self._read()

    def share(self) -> float | None:
        """Of one processor, since this began; None where the system does not count it.

        Workers count once they have ended.
        """
        if self._start is None or (now := self._read()) is None:
            return None
        wall_s, taken_s = (now[i] - self._start[i] for i in range(2))
        return max(0.0, taken_s / wall_s)

    def _read(self) -> tuple[float, float] | None:
        """(wall, taken by others and stolen), seconds, each since some moment."""
        try:
            numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        except (OSError, ValueError):
            return None
        # user, nice, system, idle, iowait, irq, softirq, steal: all but idle and iowait is work.
        busy_s = (sum(numbers[:8]) - sum(numbers[3:5])) / os.sysconf("SC_CLK_TCK")
        used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.monotonic(), busy_s - sum(u.ru_utime + u.ru_stime for u in used)


def randomised(source: Path, target: Path) -> Path:
    """A light model with random weights: with its constant ones every answer would be right.

    The file makes each weight by a ConstantOfShape; those that normalise stay positive.
    """
    model = onnx.load(str(source))
    graph, rng = model.graph, np.random.default_rng(0)
    shapes = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    scaling = {n.input[i] for n in graph.node if n.op_type == "BatchNormalization" for i in (1, 4)}
    kept = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape" or node.input[0] not in shapes:
            kept.append(node)
            continue
        shape, name = tuple(shapes[node.input[0]]), node.output[0]
        if name in scaling:
            value = rng.uniform(0.5, 1.5, shape)
        else:
            value = rng.standard_normal(shape) * np.sqrt(2 / max(1, np.prod(shape[1:])))
        graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float32), name))
    del graph.node[:]
    graph.node.extend(kept)
    # Before this version of the format every weight had to be an input as well.
    model.ir_version = max(model.ir_version, 4)
    onnx.save(model, str(target))
    return target


def models(folder: Path) -> Iterator[Path]:
    """A published network and one of each of two search spaces, all with random weights."""
    light = Path(onnx.__file__).parent / "backend/test/data/light"
    yield randomised(light / "light_squeezenet.onnx", folder / "squeezenet.onnx")
    for name in ("mobilenetv3", "nasbench201"):
        space = spaces.get(name)
        arch = space.texts(space.sample(1, np.random.default_rng(0)))[0]
        path = folder / f"{name}.onnx"
        onnx.save(space.build(arch), str(path))
        yield path


def row(measurement: Measurement, reference_s: float) -> Row:
    profile, outputs = measurement.profile, measurement.provenance.outputs
    latency_s = measurement.latency.headline_s
    total_s = None if profile is None else profile.total_s()
    covered = None
    if profile is not None:
        claimed = {node for o in profile.occurrences for node in o.source_nodes}
        nodes = len(claimed) + len(profile.uncovered)
        covered = len(claimed) / nodes if nodes and claimed else None
    return Row(
        measurement.subject.name,
        measurement.device.name,
        latency_s,
        latency_s / reference_s,
        "the reference" if outputs is None else outputs.text,
        0 if profile is None else len(profile.occurrences),
        covered,
        None if total_s is None else total_s / latency_s - 1,
        measurement.profile_reason if profile is None else profile.node_cost_reason,
        measurement.warned(WarningCode.CONTENDED),
    )


def adds_up(found: Row) -> bool:
    allowed = RECONCILES.get(found.device)
    return allowed is None or (found.gap is not None and abs(found.gap) <= allowed)


def measured(path: Path, devices: list[str], table: Table, problems: list[str]) -> list[Row]:
    """One row per device that could be measured; the others are problems."""
    targets = [(name, WorkerTarget(name)) for name in devices]
    jobs = in_turns([Job(path, targets[0][1])], targets)
    found = []
    others = Others()
    for outcome in run_campaign(jobs, PLAN, table, agreement=Agreement()):
        if outcome.failure is not None:
            problems.append(f"{outcome.job.device} on {path.stem}: {outcome.failure.reason}")
        elif outcome.measurement is not None:
            found.append(outcome.measurement)
    share = others.share()
    busy = share is None or share > QUIET
    rows = [row(m, found[0].latency.headline_s) for m in found]
    return [replace(r, contended=r.contended or busy) for r in rows]


PLAN = Plan(budget_s=2.0, precision=0.02, restarts=1)


def text(rows: list[Row]) -> list[str]:
    """A Markdown table."""
    lines = [
        "| model | device | ms | against ONNX Runtime | outputs | kernels | nodes led back | sum |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for r in rows:
        covered = "-" if r.covered is None else f"{r.covered:.0%}"
        gap = "-" if r.gap is None else f"{r.gap:+.1%}"
        kernels = str(r.kernels) if r.kernels else "none"
        outputs = r.outputs.split(" (")[0].replace(" of ONNX Runtime's", "")
        lines.append(
            f"| {r.model} | {r.device} | {r.latency_s * 1e3:.3f} | {r.ratio:.2f} | {outputs} "
            f"| {kernels} | {covered} | {gap} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--docs", type=Path, help="write the table into this page")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--devices", nargs="*")
    options = parser.parse_args()
    here = [d.name for d in available() if d.available and d.name in RECONCILES]
    devices = ["onnxruntime-cpu", *sorted(set(options.devices or here) - {"onnxruntime-cpu"})]
    problems: list[str] = []
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, Table.open(Path(folder, "t.db")) as table:
        for path in models(Path(folder)):
            found = measured(path, devices, table, problems)
            for i, first in enumerate(found):
                best = first
                for _ in range(TRIES - 1):
                    if adds_up(best):
                        break
                    (again,) = measured(path, [first.device], table, problems) or [best]
                    best = again if abs(again.gap or 9) < abs(best.gap or 9) else best
                if not adds_up(best):
                    missed = (
                        f"{best.device} on {best.model}: kernels add up to {best.gap:+.1%}"
                        if best.gap is not None
                        else f"{best.device} on {best.model}: no kernels, because {best.per_op}"
                    )
                    if best.contended:
                        print(f"contended, not judged: {missed}")
                    else:
                        problems.append(missed)
                found[i] = best
            # Some rows may be second measurements, the reference among them.
            reference_s = found[0].latency_s if found else 0.0
            found = [replace(r, ratio=r.latency_s / reference_s) for r in found]
            rows += found
            print("\n".join(text(found)), flush=True)
    agreed = {r.device for r in rows}
    if len(agreed) < min(LEAST, len(devices)) or (not options.devices and len(agreed) < LEAST):
        problems.append(f"only {len(agreed)} devices were measured, and {LEAST} are wanted")
    if options.json is not None:
        options.json.write_text(json.dumps([vars(r) for r in rows], indent=1) + "\n")
    if options.docs is not None:
        page = options.docs.read_text()
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        table_text = "\n".join(text(rows))
        options.docs.write_text(f"{before}{BEGIN}\n\n{table_text}\n\n{END}{after}")
    for problem in problems:
        print(f"problem: {problem}")
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
