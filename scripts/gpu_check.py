"""hwprof's GPU devices on a machine with an NVIDIA GPU: right outputs, and times to believe.

    python scripts/gpu_check.py --json gpu.json --text gpu.txt [--models A.onnx ...] [--all]

Every device that is available is measured on a few models in its settings (eager, CUDA graphs,
compiled, cold and warm cache, fp32, tf32, fp16, bf16), each in a worker process of its own, the way
the command line does. Per setting: outputs against ONNX Runtime on the processor, latency, the
GPU's peak memory, energy, condition, and the sum of the per-kernel profile. In this process
torch.utils.benchmark times the same module for comparison.

Must show: outputs within the tolerance of their precision; a warm latency of torch-cuda within 10 %
of torch.utils.benchmark's in the same setting. What cannot run says why, and is no failure; a
setting that runs and breaks one of these is, and the exit status is then 1.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from common import light_models, name, parser, write

from hwprof.codec import to_builtins
from hwprof.devices.registry import available
from hwprof.errors import HwprofError
from hwprof.machine.gpu.nvml import obstacle, open_nvml
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.targets.base import Run
from hwprof.targets.worker import WorkerTarget

SETTINGS: dict[str, tuple[str, ...]] = {
    "torch-cuda": (
        "",
        "cache=cold",
        "graphs=on",
        "graphs=on,cache=cold",
        "mode=compiled",
        "precision=tf32",
        "precision=fp16",
        "precision=bf16",
        "precision=fp16,graphs=on,channels_last=on",
    ),
    "onnxruntime-cuda": ("", "io=host", "precision=tf32", "launch=blocking"),
    "onnxruntime-tensorrt": ("", "precision=fp16"),
    "tensorrt": ("", "cache=cold", "precision=tf32", "precision=fp16", "precision=typed"),
}
# Largest difference over the largest magnitude of the reference.
TOLERANCE = {"fp32": 1e-3, "native": 1e-3, "typed": 1e-3, "tf32": 1e-2, "fp16": 3e-2, "bf16": 0.2}
AGREE = 0.10
WARMUP_S = 0.5
SAMPLES = 200
PROFILED = 12
CHOSEN = ("squeezenet", "resnet50", "densenet121")


@dataclass
class Result:
    """One model on one device in one setting."""

    model: str
    device: str
    setting: str
    facts: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    """Why it did not run."""
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        where = f"{self.model:14s} {self.device:21s} {self.setting or 'as it is':42s}"
        if self.refused:
            return f"{where} did not run: {self.refused}"
        facts = self.facts
        parts = [f"p25 {facts['p25_s'] * 1e3:8.3f} ms", f"p50 {facts['median_s'] * 1e3:8.3f} ms"]
        parts.append(f"error {facts['error']:.1e}")
        if "torch_s" in facts:
            parts.append(f"torch.utils.benchmark {facts['torch_s'] * 1e3:.3f} ms")
        if facts["memory"].get("accelerator_peak_bytes"):
            parts.append(f"peak {facts['memory']['accelerator_peak_bytes'] / 2**20:.1f} MiB")
        if "joules_per_run" in facts:
            parts.append(f"{facts['joules_per_run'] * 1e3:.3f} mJ gross")
        if "kernels_s" in facts:
            share = facts["kernels_s"] / facts["median_s"]
            parts.append(f"{facts['kernels']} kernels {share:.0%}, {facts['uncovered']} uncovered")
        return "  ".join([where, *parts, *(f"FAULT: {fault}" for fault in self.faults)])


def precision_of(device: str, setting: str) -> str:
    """The precision that a setting asks for, the device's default otherwise."""
    asked = dict(part.split("=") for part in setting.split(",") if part)
    return asked.get("precision", "native" if device == "onnxruntime-cuda" else "fp32")


def reference(model: Model) -> list[np.ndarray]:
    """The outputs on the processor."""
    with WorkerTarget("onnxruntime-cpu").start(model) as run:
        return [each.array() for each in run.outputs()]


def difference(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """Largest difference over the largest magnitude, over all outputs; infinite for NaN."""
    worst = 0.0
    for one, two in zip(found, wanted, strict=True):
        if one.shape != two.shape or not np.all(np.isfinite(one)):
            return float("inf")
        scale = float(np.abs(two).max()) or 1.0
        worst = max(worst, float(np.abs(one.astype(np.float64) - two).max()) / scale)
    return worst


def latencies(run: Run) -> np.ndarray:
    """Seconds of each sample, after the GPU has clocked up."""
    began = time.perf_counter()
    while time.perf_counter() - began < WARMUP_S:
        run.time(5)
    return run.time(SAMPLES).wall_s


def measure(result: Result, model: Model, wanted: list[np.ndarray], with_energy: bool) -> None:
    """Fill in a result. Raises what the device raises."""
    suffix = f":{result.setting}" if result.setting else ""
    target = WorkerTarget(result.device + suffix)
    facts = result.facts
    facts["spec"] = to_builtins(target.spec)
    with target.start(model) as run:
        facts["setup_s"] = run.setup_s
        facts["first_run_s"] = float(run.time(1).wall_s[0])
        facts["error"] = difference([each.array() for each in run.outputs()], wanted)
        facts["gpu_before"] = to_builtins(run.host_state().gpu)
        samples = latencies(run)
        facts["gpu_after"] = to_builtins(run.host_state().gpu)
        facts["samples_s"] = samples.tolist()
        facts["p25_s"] = float(np.quantile(samples, 0.25))
        facts["median_s"] = float(np.median(samples))
        facts["overhead_s"] = run.overhead_s()
        facts["memory"] = to_builtins(run.memory())
        if with_energy:
            energy = run.energy()
            facts["energy"] = to_builtins(energy)
            if energy.reading is not None:
                facts["joules_per_run"] = energy.reading.gross_j_per_run
        try:
            profiled = run.profile(PROFILED)
        except HwprofError as error:
            facts["no_profile"] = str(error)
        else:
            profile = profiled.profile
            facts["kernels"] = len(profile.occurrences)
            facts["kernels_s"] = sum(profile.raw_latency_s(o) for o in profile.occurrences)
            facts["uncovered"] = len(profile.uncovered)
            facts["mapping"] = profiled.mapping
    tolerance = TOLERANCE[precision_of(result.device, result.setting)]
    if not facts["error"] <= tolerance:
        result.faults.append(f"outputs differ by {facts['error']:.1e}, {tolerance:.0e} allowed")


def torch_benchmark(model: Model, setting: str) -> float:
    """Median of torch.utils.benchmark on the same module in an eager setting, seconds."""
    import torch
    from torch.utils import benchmark

    from hwprof.convert.torch.load import load_module
    from hwprof.devices.torch.cuda import set_precision

    precision = precision_of("torch-cuda", setting)
    set_precision(torch, precision)
    module, inputs = load_module(model, "fp32" if precision == "tf32" else precision, False)
    module.cuda()
    given = tuple(each.cuda() for each in inputs)
    with torch.inference_mode():
        timer = benchmark.Timer("module(*given)", globals={"module": module, "given": given})
        return float(timer.blocked_autorange(min_run_time=1.0).median)


def compare_torch(result: Result, model: Model) -> None:
    """Hold an eager, warm setting of torch-cuda against torch.utils.benchmark."""
    others = ("graphs", "compiled", "cold", "channels_last")
    if result.refused or any(word in result.setting for word in others):
        return
    try:
        seconds = torch_benchmark(model, result.setting)
    except Exception as error:  # the comparison is torch's own; whatever fails there is told
        result.facts["no_comparison"] = f"{type(error).__name__}: {error}"
        return
    result.facts["torch_s"] = seconds
    apart = result.facts["median_s"] / seconds - 1
    if abs(apart) > AGREE:
        result.faults.append(f"{apart:+.0%} from torch.utils.benchmark")


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--text", type=Path, help="write the readable lines to this file too")
    options.add_argument("--all", action="store_true", help="all models that --models would take")
    chosen = options.parse_args()
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        print(line, flush=True)

    listed = {each.name: each for each in available()}
    usable = [device for device in SETTINGS if listed[device].available]
    reason = obstacle()
    tell(f"driver: {reason or open_nvml().by_index(0).facts.description}")
    for device in SETTINGS:
        tell(f"{device}: {'available' if device in usable else listed[device].reason}")
    results: list[Result] = []
    whole = chosen.all or chosen.models != light_models()
    models = [path for path in chosen.models if whole or name(path) in CHOSEN]
    for path in models if usable else ():
        model = load_model(path)
        wanted = reference(model)
        for device in usable:
            for setting in SETTINGS[device]:
                result = Result(name(path), device, setting)
                try:
                    measure(result, model, wanted, with_energy=setting == "")
                except HwprofError as error:
                    result.refused = str(error)
                if device == "torch-cuda":
                    compare_torch(result, model)
                results.append(result)
                tell(result.line())
    faults = sum(len(result.faults) for result in results)
    ran = sum(not result.refused for result in results)
    if usable:
        tell(f"{ran} of {len(results)} settings ran, with {faults} faults")
    else:
        tell("nothing was measured: no GPU device is available here")
    write(chosen.json, {"driver": reason, "results": [vars(result) for result in results]})
    if chosen.text is not None:
        chosen.text.write_text("\n".join(lines) + "\n")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
