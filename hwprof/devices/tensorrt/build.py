"""From an ONNX file to a TensorRT engine, or one that was built before.

Source: TensorRT's developer guide and Python API, versions 10 and 11. Version 11 builds strongly
typed networks only: the model's own types decide, and the flags for reduced precision are gone.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from onnx import ModelProto

from hwprof.devices.gpu.memory import out_of_memory, ran_out
from hwprof.devices.tensorrt.runtime import last_error, version
from hwprof.errors import DeviceError, HwprofError, ModelError
from hwprof.files import replacing
from hwprof.models.base import Model
from hwprof.models.onnx.graph import node_names

FLAGS = {"fp16": "FP16", "bf16": "BF16", "int8": "INT8"}
PRECISIONS = ("fp32", "tf32", *FLAGS, "typed")


def build_engine(trt: Any, logger: Any, model: Model, proto: ModelProto, precision: str) -> Any:
    """The serialised engine of a model. It takes seconds to minutes.

    `proto` is the model as `name_and_fix` left it. Raises ModelError for an operator that TensorRT
    lacks, naming it; DeviceError for a precision that this version does not build.
    """
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt, precision))
    parser = trt.OnnxParser(network, logger)
    # The path tells where external weights lie.
    if not parser.parse(proto.SerializeToString(), str(model.path)):
        raise _unparsed(parser, trt, model.path.name)
    config = builder.create_builder_config()
    # Layers then carry the names of the nodes they were made of; their speed is the same.
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if precision == "tf32":
        config.set_flag(trt.BuilderFlag.TF32)
    else:
        config.clear_flag(trt.BuilderFlag.TF32)
    if precision in FLAGS and version(trt) < (11, 0):
        config.set_flag(getattr(trt.BuilderFlag, FLAGS[precision]))
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise unbuilt(logger, trt, model.path.name)
    return engine


def _network_flags(trt: Any, precision: str) -> int:
    if version(trt) >= (11, 0):
        if precision in ("fp16", "bf16"):
            raise DeviceError(
                f"TensorRT {trt.__version__} takes precision from the model, so {precision} "
                "cannot be asked of it; convert the model first, and use precision=typed"
            )
        return 0
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    return typed if precision == "typed" else 0


def name_and_fix(proto: ModelProto, model: Model) -> None:
    """Give every node of the main graph its name, and every input its decided shape."""
    for node, name in zip(proto.graph.node, node_names(proto.graph), strict=True):
        node.name = name
    shapes = {spec.name: spec.shape for spec in model.subject.inputs}
    for value in proto.graph.input:
        if value.name in shapes:
            shape = value.type.tensor_type.shape
            del shape.dim[:]
            for size in shapes[value.name]:
                shape.dim.add().dim_value = size


def _unparsed(parser: Any, trt: Any, model: str) -> ModelError:
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        text = " ".join(error.desc().split())
        operator, node = error.node_operator(), error.node_name()
        if operator:
            return ModelError(
                f"TensorRT {trt.__version__} cannot take node '{node}' ({operator}) of '{model}': "
                f"{text[:300].rstrip(' .')}; export the model without it, or measure on another "
                "device, such as onnxruntime-cuda"
            )
    return ModelError(
        f"TensorRT {trt.__version__} cannot read '{model}'; export it for an operator set that "
        "this version supports, or measure on another device, such as onnxruntime-cuda"
    )


def unbuilt(logger: Any, trt: Any, model: str) -> HwprofError:
    """Why there is no engine, from what was logged."""
    text = last_error(logger)
    if ran_out(text):
        return out_of_memory(model, text)
    return ModelError(
        f"TensorRT {trt.__version__} builds no engine for '{model}': {text}; "
        "try another precision, or another device, such as onnxruntime-cuda"
    )


def engine_file(folder: Path, trt: Any, model: Model, precision: str, gpu: str) -> Path:
    """Where the engine of a model is kept: an engine serves one version, GPU and shape."""
    facts = [model.subject.key, trt.__version__, precision, gpu]
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:24]
    return folder / f"{model.subject.sha256[:16]}-{precision}-{digest}.engine"


def keep_engine(path: Path, engine: Any) -> None:
    """Write an engine so that no half of one is ever found. Raises DeviceError."""
    try:
        with replacing(path) as stream:
            stream.write(memoryview(engine))
    except OSError as error:
        raise DeviceError(
            f"the engine cannot be kept in '{path.parent}' ({error.strerror}); "
            "choose another folder with engines=FOLDER"
        ) from error
