"""A table as a day's work leaves it: long names of model zoos, several runtimes, failures."""

from __future__ import annotations

from dataclasses import replace

from hwprof.device_spec import DeviceSpec, Hardware
from hwprof.measurement import Failure, Measurement, MeasurementWarning, WarningCode
from hwprof.testing.examples import example_measurement

MODELS = (
    "vit_small_patch16_224.augreg_in21k_ft_in1k",
    "vit_small_patch32_224.augreg_in21k_ft_in1k",
    "convnextv2_nano.fcmae_ft_in22k_in1k_384",
    "efficientnet_b0",
    "mobilenetv3_large_100.ra_in1k",
    "swin_tiny_patch4_window7_224.ms_in22k_ft_in1k",
    "resnet50",
    "torchvision/resnet50",
    "exports/2026-11/resnet50",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "deeplabv3_mobilenet_v3_large",
    "密度网络_用于测试_的_很_长_的_名字_224x224",
    "bert-base-uncased-sequence-classification",
    "whisper-tiny-decoder-with-past",
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|",
    "model",
)
RUNTIMES = (
    ("onnxruntime-cpu", "1.31.1", "native", 1, {"opt": "all", "spin": "on"}),
    ("onnxruntime-cpu", "1.31.1", "native", 2, {"opt": "all", "spin": "off"}),
    ("onnxruntime-cpu", "1.31.1", "int8", 1, {"opt": "none", "spin": "on"}),
    ("openvino-cpu", "2026.4.1-20711-3b4e2fc1ad7", "fp32", 1, {"hint": "latency"}),
    ("torch-cpu", "2.13.0+cpu", "native", 8, {"mode": "compiled", "freezing": "on"}),
    ("tensorrt", "10.14.1.48", "fp16", 1, {"l2": "cold", "builder": "5", "clocks": "locked"}),
)
WARNINGS = (
    (),
    (WarningCode.NOISY,),
    (WarningCode.CONTENDED, WarningCode.FEW_CLEAN_SAMPLES, WarningCode.RESTARTS_DISAGREE),
)


def device(number: int) -> DeviceSpec:
    """One of six, on a machine with a long name."""
    name, version, precision, threads, options = RUNTIMES[number % len(RUNTIMES)]
    gpu = "NVIDIA H200 141GB HBM3e (driver 570.124.06)" if name == "tensorrt" else ""
    return DeviceSpec(
        name=name,
        hardware=Hardware(
            "Linux-x86_64",
            "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
            ("avx2", "avx512f"),
            8,
            2**34,
            gpu,
        ),
        runtime=name.partition("-")[0],
        runtime_version=version,
        runtime_build="Release",
        provider="CPUExecutionProvider",
        precision=precision,
        threads=threads,
        options=dict(options),
    )


def measurements() -> list[Measurement]:
    """Sixteen of them, newest first."""
    found = []
    for number, name in enumerate(MODELS):
        base = example_measurement(number)
        found.append(
            replace(
                base,
                created_at=f"2026-11-30T{23 - number:02d}:05:00.123+00:00",
                subject=replace(base.subject, name=name),
                device=device(number),
                warnings=tuple(MeasurementWarning(c, "why") for c in WARNINGS[number % 3]),
            )
        )
    return found


def failures() -> list[Failure]:
    """Four of them, among the measurements in time, newest first."""
    reasons = (
        "the device 'tvm-cpu' has no kernel for the operator NonMaxSuppression; use another device",
        "the model opens but does not run: [ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero "
        "status code returned while running Reshape node. Name:'/encoder/layers.0/Reshape_4'; "
        "check what its inputs hold",
        "the worker that was measuring 'big' was killed by the system (signal 9), which is short "
        "of memory; use a smaller batch",
        "two\nlines",
    )
    slug = device(3).slug
    return [
        Failure(
            f"{number}fa11ed0" * 4,
            "r" * 32,
            f"2026-11-30T{20 - 3 * number:02d}:45:00+00:00",
            f"exports/2026-11/{MODELS[number + 4]}.onnx",
            (slug, "tvm-cpu:tune=on,target=llvm -mcpu=sapphirerapids,threads=8")[number % 2],
            reason,
        )
        for number, reason in enumerate(reasons)
    ]
