"""Each runtime's own tool in a fresh process: `python runtime_peers.py RUNTIME MODEL CPU JOB`.

JOB is JSON: `runs` is how many runs to time, `seconds` how long they took hwprof, `options` the
options of hwprof's device. One thread on the processor CPU throughout. Prints `median_s`, `mean_s`
and `min_s` over the tool's own samples, how many these were, and what the tool is.

openvino     `benchmark_app`, which the wheel brings, with -api sync and as many iterations.
torch        `torch.utils.benchmark.Timer(...).blocked_autorange` for as long as hwprof sampled, on
             the module that hwprof.devices.torch makes of the ONNX file.
tvm          `vm.time_evaluator(number=1, repeat=runs)` on the model compiled as TVM's guide does.
onnxruntime  no wheel brings `onnxruntime_perf_test`; its loop instead: inputs and outputs bound
             beforehand, one run to warm up, a clock around each run.

`switches` counts how often another process took the processor away while the tool timed;
benchmark_app is watched from outside, its set-up included.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

# benchmark_app prints `Median:  3.56 ms`, microseconds below one millisecond.
PRINTED = re.compile(r"(Median|Average|Min):\s+([\d.]+) (us|ms)")


def switches(who: int = resource.RUSAGE_SELF) -> int:
    """Involuntary context switches so far (getrusage(2))."""
    return resource.getrusage(who).ru_nivcsw


def figures(times: Sequence[float], tool: str, since: int, loops: int = 1) -> dict[str, Any]:
    """What every tool is asked for, from its samples in seconds, each a mean over `loops` runs.

    `since` is what `switches()` said before the first.
    """
    return {
        "switches": switches() - since,
        "median_s": float(np.median(times)),
        "mean_s": float(np.mean(times)),
        "min_s": float(np.min(times)),
        "samples": len(times),
        "runs": len(times) * loops,
        "tool": tool,
    }


def openvino(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    precision = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}[job["precision"]]
    settings = ["-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1", "-nthreads", "1"]
    settings += ["-pin", "NO", "-infer_precision", precision, "-niter", str(job["runs"])]
    start = "from openvino.tools.benchmark.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, "-m", str(path), *settings],
        check=True,
        capture_output=True,
        text=True,
    )
    unit = {"us": 1e-6, "ms": 1e-3}
    found = {word: float(value) * unit[u] for word, value, u in PRINTED.findall(done.stdout)}
    return {
        "switches": switches(resource.RUSAGE_CHILDREN),
        "median_s": found["Median"],
        "mean_s": found["Average"],
        "min_s": found["Min"],
        "samples": job["runs"],
        "runs": job["runs"],
        "tool": "benchmark_app -api sync",
    }


def torch(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    from torch import from_numpy, inference_mode
    from torch.utils import benchmark

    from hwprof.models.inputs import usual_recipe
    from hwprof.models.load import load_model

    subject = load_model(path).subject
    from hwprof.convert.torch.module import to_module

    scope = {
        "module": to_module(path, subject),
        "inputs": tuple(from_numpy(usual_recipe(spec).array(spec)) for spec in subject.inputs),
        "inference_mode": inference_mode,
    }
    # Users run modules so; the timer's own scope would record gradients.
    statement = "with inference_mode():\n    module(*inputs)"
    timer = benchmark.Timer(statement, globals=scope, num_threads=1)
    since = switches()
    done = timer.blocked_autorange(min_run_time=job["seconds"])
    tool = "torch.utils.benchmark.Timer.blocked_autorange"
    return figures(done.times, tool, since, done.number_per_run)


def tvm(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    os.environ["TVM_BIND_THREADS"] = "0"
    os.environ["TVM_NUM_THREADS"] = "1"
    import onnx
    import tvm
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx

    from hwprof.models.inputs import usual_recipe
    from hwprof.models.load import load_model

    inputs = load_model(path).subject.inputs
    shapes = {spec.name: list(spec.shape) for spec in inputs}
    module = from_onnx(onnx.load(str(path)), shape_dict=shapes, keep_params_in_input=False)
    mcpu = job["options"]["mcpu"]
    target = tvm.target.Target({"kind": "llvm", "mcpu": mcpu, "num-cores": 1})
    with target:
        if job["options"]["pipeline"] != "default":
            module = relax.get_pipeline(job["options"]["pipeline"])(module)
        machine = relax.VirtualMachine(tvm.compile(module, target), tvm.cpu())
    feed = [tvm.runtime.tensor(usual_recipe(spec).array(spec)) for spec in inputs]
    evaluate = machine.time_evaluator("main", tvm.cpu(), number=1, repeat=job["runs"])
    since = switches()
    return figures(list(evaluate(*feed).results), "vm.time_evaluator", since)


def onnxruntime(path: Path, job: dict[str, Any]) -> dict[str, Any]:
    import onnxruntime as runtime

    from hwprof.models.inputs import usual_recipe
    from hwprof.models.load import load_model

    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    bound = session.io_binding()
    for spec in load_model(path).subject.inputs:
        bound.bind_cpu_input(spec.name, usual_recipe(spec).array(spec))
    for output in session.get_outputs():
        bound.bind_output(output.name)
    session.run_with_iobinding(bound)
    times = []
    since = switches()
    for _ in range(job["runs"]):
        start = time.perf_counter()
        session.run_with_iobinding(bound)
        times.append(time.perf_counter() - start)
    return figures(times, "loop of onnxruntime_perf_test, which no wheel brings", since)


PEERS: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "torch": torch,
    "tvm": tvm,
}


def main() -> None:
    runtime, path, cpu, job = sys.argv[1:5]
    os.sched_setaffinity(0, {int(cpu)})
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    print(json.dumps(PEERS[runtime](Path(path), json.loads(job))))


if __name__ == "__main__":
    main()
