"""What every device says of itself. Stored tables refer to it: no release may say it otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hwprof.device_spec import DeviceSpec, Hardware
from hwprof.devices import registry
from hwprof.devices.base import Device

GPU = Hardware("Linux-x86_64", "cpu", (), 1, 1 << 30, "gpu")
FOLDER = "FOLDER"

# Name as asked for, then: runtime, provider, precision, threads, options in the order of the file.
SPECS = [
    ("executorch-cpu", "executorch", "XnnpackBackend", "fp32", 1, "backend=xnnpack"),
    (
        "executorch-cpu:threads=2,backend=portable,precision=int8",
        *("executorch", "native kernels", "int8", 2, "backend=portable"),
    ),
    ("litert-cpu", "litert", "XNNPACK", "native", 1, "delegate=xnnpack"),
    (
        "litert-cpu:threads=2,delegate=none",
        *("litert", "LiteRT builtin kernels", "native", 2, "delegate=none"),
    ),
    ("mnn-cpu", "mnn", "CPU", "fp32", 1, ""),
    ("mnn-cpu:threads=2", "mnn", "CPU", "fp32", 2, ""),
    ("ncnn-cpu", "ncnn", "CPU", "fp32", 1, ""),
    ("ncnn-cpu:threads=2", "ncnn", "CPU", "fp32", 2, ""),
    ("onnxruntime-cpu", "onnxruntime", "CPUExecutionProvider", "native", 1, "opt=all,spin=on"),
    (
        "onnxruntime-cpu:threads=2,opt=basic,spin=off,precision=int8",
        *("onnxruntime", "CPUExecutionProvider", "int8", 2, "opt=basic,spin=off"),
    ),
    (
        "onnxruntime-cuda",
        *("onnxruntime", "CUDAExecutionProvider", "native", 1),
        "io=device,fallback=refuse,opt=all,conv=exhaustive,launch=async",
    ),
    (
        "onnxruntime-cuda:device=1,precision=tf32,io=host,fallback=allow,opt=none,conv=heuristic,"
        "launch=blocking",
        *("onnxruntime", "CUDAExecutionProvider", "tf32", 1),
        "io=host,fallback=allow,opt=none,conv=heuristic,launch=blocking",
    ),
    (
        "onnxruntime-tensorrt",
        *("onnxruntime", "TensorrtExecutionProvider", "fp32", 1),
        "io=device,fallback=refuse,engines=off",
    ),
    (
        "onnxruntime-tensorrt:device=1,precision=fp16,io=host,fallback=allow,engines=FOLDER",
        *("onnxruntime", "TensorrtExecutionProvider", "fp16", 1),
        "io=host,fallback=allow,engines=kept",
    ),
    ("openvino-cpu", "openvino", "CPU", "fp32", 1, "hint=latency"),
    ("openvino-cpu:threads=2,hint=throughput", "openvino", "CPU", "fp32", 2, "hint=throughput"),
    ("tensorrt", "tensorrt", "TensorRT", "fp32", 1, "cache=warm,engines=off"),
    (
        "tensorrt:device=1,precision=typed,cache=cold,engines=FOLDER",
        *("tensorrt", "TensorRT", "typed", 1, "cache=cold,engines=kept"),
    ),
    ("torch-cpu", "torch", "aten", "fp32", 1, "mode=eager,channels_last=off,freezing=off"),
    (
        "torch-cpu:threads=2,mode=compiled,precision=int8,channels_last=on",
        *("torch", "inductor", "int8", 2, "mode=compiled,channels_last=on,freezing=on"),
    ),
    (
        "torch-cpu:mode=compiled,freezing=on,precision=bf16",
        *("torch", "inductor", "bf16", 1, "mode=compiled,channels_last=off,freezing=on"),
    ),
    (
        "torch-cuda",
        *("torch", "aten", "fp32", 1),
        "mode=eager,cache=warm,graphs=off,benchmark=off,channels_last=off",
    ),
    (
        "torch-cuda:device=1,precision=tf32,mode=compiled,graphs=on,cache=cold,benchmark=on,"
        "channels_last=on",
        *("torch", "inductor", "tf32", 1),
        "mode=compiled,cache=cold,graphs=on,benchmark=on,channels_last=on",
    ),
    (
        "tvm-cpu:mcpu=x86-64",
        *("tvm", "llvm", "native", 1, "pipeline=zero,mcpu=x86-64,tune=0,database=none"),
    ),
    (
        "tvm-cpu:threads=2,pipeline=static_shape_tuning,mcpu=haswell,tune=4,database=/schedules",
        *("tvm", "llvm", "native", 2),
        "pipeline=static_shape_tuning,mcpu=haswell,tune=4,database=/schedules",
    ),
]

# The same on one hardware, version and build.
FINGERPRINTS = {
    "executorch-cpu": "75cbe151c5ea25bd",
    "executorch-cpu:threads=2,backend=portable,precision=int8": "c6d42e375a87afc1",
    "litert-cpu": "bb9f5a4a80edf0bf",
    "litert-cpu:threads=2,delegate=none": "b197007f1bb4c6ca",
    "mnn-cpu": "effbe7e27a8bcedc",
    "mnn-cpu:threads=2": "779b5765b2a36ec4",
    "ncnn-cpu": "74e92c86cfd180e0",
    "ncnn-cpu:threads=2": "1a7bc3bff9c63de2",
    "onnxruntime-cpu": "e77fd5d865f1d478",
    "onnxruntime-cpu:threads=2,opt=basic,spin=off,precision=int8": "1b0ff1e04ba9c4fc",
    "onnxruntime-cuda": "7ecc0d5fcce27cb9",
    "onnxruntime-cuda:device=1,precision=tf32,io=host,fallback=allow,opt=none,"
    "conv=heuristic,launch=blocking": "045bcfe28e9afadc",
    "onnxruntime-tensorrt": "3d523fc9ab8b5cb0",
    "onnxruntime-tensorrt:device=1,precision=fp16,io=host,fallback=allow,"
    "engines=FOLDER": "7619179f4af5fe35",
    "openvino-cpu": "654b597a9a823027",
    "openvino-cpu:threads=2,hint=throughput": "49654d5d9d2035d8",
    "tensorrt": "efcd17ce21209b29",
    "tensorrt:device=1,precision=typed,cache=cold,engines=FOLDER": "625bb9f524ac65b1",
    "torch-cpu": "699455d12a09667c",
    "torch-cpu:threads=2,mode=compiled,precision=int8,channels_last=on": "7e3899eb0dfc7748",
    "torch-cpu:mode=compiled,freezing=on,precision=bf16": "71ea45d3c5d18b23",
    "torch-cuda": "236b820e3e029c41",
    "torch-cuda:device=1,precision=tf32,mode=compiled,graphs=on,cache=cold,"
    "benchmark=on,channels_last=on": "51a4a2692af62cfa",
    "tvm-cpu:mcpu=x86-64": "e57710ebdad956b8",
    "tvm-cpu:threads=2,pipeline=static_shape_tuning,mcpu=haswell,tune=4,"
    "database=/schedules": "fa74a55bed5dd9a7",
}


@pytest.fixture(autouse=True)
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runtimes of GPUs and a driver that only tell their versions."""
    runtime = SimpleNamespace(__version__="1.24", get_build_info=lambda: "build")
    torch = SimpleNamespace(
        __version__="2.6",
        version=SimpleNamespace(git_version="a" * 20, cuda="12.4"),
        backends=SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 9)),
    )
    driver = SimpleNamespace(version=lambda: "12.8")
    monkeypatch.setattr("hwprof.machine.gpu.driver.open_cuda", lambda: driver)
    monkeypatch.setattr("hwprof.machine.gpu.hardware.gpu_hardware", lambda index: GPU)
    monkeypatch.setattr("hwprof.devices.onnxruntime.cuda.gpu_runtime", lambda provider: runtime)
    monkeypatch.setattr("hwprof.devices.torch.cuda.import_cuda", lambda index: torch)
    monkeypatch.setattr("hwprof.devices.tensorrt.device.import_runtime", lambda: runtime)


def created(text: str) -> Device:
    """A device whether or not its hardware is here."""
    name, options = registry.parse(text)
    entry = registry.REGISTRY.find(name)
    assert entry is not None
    return registry.REGISTRY.load(entry).create(options)


@pytest.mark.parametrize("text", [row[0] for row in SPECS])
def test_a_spec_says_what_it_always_said(text: str, tmp_path: Path) -> None:
    (row,) = (row for row in SPECS if row[0] == text)
    expected = [str(value).replace(FOLDER, str(tmp_path)) for value in row]
    spec = created(expected[0]).spec
    assert spec.name == registry.parse(text)[0]
    assert [spec.runtime, spec.provider, spec.precision, str(spec.threads)] == expected[1:5]
    assert ",".join(f"{name}={value}" for name, value in spec.options.items()) == expected[5]
    on_gpu = spec.name == "tensorrt" or spec.name.endswith(("-cuda", "-tensorrt"))
    assert (spec.hardware == GPU) == on_gpu
    elsewhere = replace(spec, hardware=GPU, runtime_version="1", runtime_build="b")
    assert elsewhere.fingerprint == FINGERPRINTS[text]


def test_every_device_has_its_rows() -> None:
    covered = [registry.parse(row[0])[0] for row in SPECS]
    assert set(covered) == set(registry.REGISTRY.builtin)
    assert all(covered.count(name) >= 2 for name in covered)


def test_builds_of_gpu_runtimes() -> None:
    builds = {n: created(n).spec.runtime_build for n in ("tensorrt", "torch-cuda")}
    builds["onnxruntime-cuda"] = created("onnxruntime-cuda").spec.runtime_build
    assert builds == {
        "tensorrt": "CUDA driver 12.8",
        "torch-cuda": "aaaaaaaaaaaa, CUDA 12.4, cuDNN 9, CUDA driver 12.8",
        "onnxruntime-cuda": "build, CUDA driver 12.8",
    }


def test_the_fingerprint_of_a_spec_is_what_it_always_was() -> None:
    spec = DeviceSpec(
        "onnxruntime-cpu",
        Hardware("Linux-x86_64", "amd-epyc", ("avx2", "fma"), 2, 1 << 33),
        "onnxruntime",
        "1.31.1",
        "build",
        "CPUExecutionProvider",
        "native",
        1,
        {"opt": "all", "spin": "on"},
    )
    assert spec.fingerprint == "13e957b88503fcb2"
    assert spec.slug == "amd-epyc-2c-onnxruntime-cpu-1.31.1-native-1t-opt-all-spin-on"
