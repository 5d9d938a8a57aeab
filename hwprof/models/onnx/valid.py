"""Whether a model keeps to ONNX's own rules: for converters that crash on one that does not."""

from __future__ import annotations

from pathlib import Path

from hwprof.errors import one_line

_NO_SHAPE = "Field 'shape' of 'type' is required"


def fault_of(path: Path) -> str:
    """What onnx's checker says is wrong with the model in a file, in a few words; else empty.

    Shapes and types are inferred as well. Raises nothing: a file that cannot be checked has no
    known fault.
    """
    import onnx

    from hwprof.models.bounded import bounded_memory
    from hwprof.models.onnx.infer import ROOM_BYTES

    try:
        with bounded_memory(ROOM_BYTES + 8 * path.stat().st_size):
            onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        # Outputs without a shape are common, and no runtime minds.
        return "" if _NO_SHAPE in str(error) else one_line(_telling(error), 200)
    except (OSError, ValueError, RuntimeError, MemoryError):
        return ""
    return ""


def _telling(error: Exception) -> Exception:
    """The error with the line that says what is wrong, not where in onnx's source it was found."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("==>", "[ShapeInferenceError"))]
    inferred = [line.partition("] ")[2] for line in lines if line.startswith("[ShapeInference")]
    return type(error)((told or inferred or [str(error)])[0])


def invalid(model: str, fault: str) -> str:
    """The sentence for a model with a fault that `fault_of` told."""
    return f"'{model}' does not keep to ONNX's rules: {fault}; export it again"
