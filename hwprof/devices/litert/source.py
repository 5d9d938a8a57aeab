"""The file that LiteRT opens for a model, and how its tensors stand to the model's."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hwprof.devices.litert.runtime import memory_advice
from hwprof.devices.memory import return_heap
from hwprof.devices.scratch import ScratchFolder, scratch_folder
from hwprof.errors import MeasurementError
from hwprof.models.base import Model

Order = tuple[int, ...]


@dataclass(slots=True)
class Source:
    """A LiteRT model file. Dimension `i` of a tensor is `order[i]` of the subject's."""

    path: Path
    input_orders: Sequence[Order]
    output_orders: Sequence[Order] | None = None
    """None where outputs come as the file has them."""
    nodes: Sequence[tuple[str, ...]] | None = None
    """Nodes of the model file by operator; None where the operators are its nodes."""
    uncovered: tuple[str, ...] = ()
    folder: ScratchFolder | None = field(default=None, repr=False)

    def close(self) -> None:
        """Delete the file if it was made here."""
        if self.folder is not None:
            self.folder.cleanup()


def source_of(model: Model) -> Source:
    """The model itself if it is a LiteRT one, else what it is converted to.

    Raises ModelError naming the operator that cannot be converted, MeasurementError when the
    temporary folder is full.
    """
    if model.format == "tflite":
        return Source(
            model.path,
            [tuple(range(len(t.shape))) for t in model.subject.inputs],
        )
    # Imported here: it brings onnx, which a LiteRT model does not need.
    from hwprof.convert.litert.model import to_litert

    folder = scratch_folder()
    path = Path(folder.name, "model.tflite")
    try:
        converted = to_litert(model.path, model.subject.inputs, path)
    except MemoryError as error:
        folder.cleanup()
        raise MeasurementError(memory_advice(model.path.name)) from error
    except BaseException:
        folder.cleanup()
        raise
    source = Source(
        path,
        [border.order for border in converted.inputs],
        [border.order for border in converted.outputs],
        [operator.sources for operator in converted.operators],
        converted.uncovered,
        folder,
    )
    del converted
    gc.collect()
    return_heap()
    return source
