"""Which inputs decide how much work a model does: followed through everything that computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.models.onnx.graph import RANDOM
from hwprof.models.onnx.values.flat import FlatModel, Operation

_MOST_PASSES = 8

_SHAPE_ONLY = RANDOM | {"Shape", "Size", "ConstantOfShape", "EyeLike", "SequenceLength"}
"""What they write follows from shapes; `Bernoulli` and `Multinomial` draw."""

# The other inputs of these tell sizes, and never reach what they write.
_VALUES_OF: Mapping[str, int] = {
    **dict.fromkeys(("Reshape", "Expand", "Tile", "Resize", "Upsample", "Squeeze"), 1),
    **dict.fromkeys(("Unsqueeze", "Split", "CenterCropPad", "Col2Im"), 1),
}

_SIZE = "the size that {} makes"
_LENGTHS = "the lengths in {}"
_KEPT = "how many elements {} keeps"
_SEARCH = "how long {} generates"

DECIDING: Mapping[str, tuple[tuple[int, ...], str]] = {
    "If": ((0,), "which branch of {} runs"),
    "Loop": ((0, 1, 2), "how often {} repeats"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ((4,), _LENGTHS)),
    "ReverseSequence": ((1,), _LENGTHS),
    "Attention": ((6,), _LENGTHS),
    "NonMaxSuppression": ((0, 1, 2, 3, 4), "the boxes that {} keeps"),
    "NonZero": ((0,), "how many elements {} finds"),
    "Unique": ((0,), "how many elements {} finds"),
    "RoiAlign": ((1,), "how many samples {} takes"),
    "Compress": ((1,), _KEPT),
    "TopK": ((1,), _KEPT),
    **dict.fromkeys(("Reshape", "Expand", "Tile", "Upsample"), ((1,), _SIZE)),
    **dict.fromkeys(("Split", "SplitToSequence", "OneHot", "CenterCropPad"), ((1,), _SIZE)),
    **dict.fromkeys(("AffineGrid", "DFT"), ((1,), _SIZE)),
    **dict.fromkeys(("HannWindow", "HammingWindow", "BlackmanWindow"), ((0,), _SIZE)),
    "ConstantOfShape": ((0,), _SIZE),
    "Range": ((0, 1, 2), _SIZE),
    "Slice": ((1, 2, 3, 4), _SIZE),
    "Resize": ((1, 2, 3), _SIZE),
    "Pad": ((1, 3), _SIZE),
    "MaxUnpool": ((2,), _SIZE),
    "Col2Im": ((1, 2), _SIZE),
    "STFT": ((1, 3), _SIZE),
    "MelWeightMatrix": ((0, 1), _SIZE),
    "com.microsoft.Range": ((0, 1, 2), _SIZE),
    "com.microsoft.Pad": ((1,), _SIZE),
    "com.microsoft.CropAndResize": ((3,), _SIZE),
    "com.microsoft.Unique": ((0,), "how many elements {} finds"),
    "com.microsoft.GroupQueryAttention": ((5, 6), _LENGTHS),
    "com.microsoft.RemovePadding": ((1,), _LENGTHS),
    **dict.fromkeys(
        [f"com.microsoft.{each}" for each in ("BeamSearch", "GreedySearch", "Sampling")],
        ((1, 2, 3, 4), _SEARCH),
    ),
    "com.microsoft.WhisperBeamSearch": ((1, 2, 3, 4), _SEARCH),
    **dict.fromkeys(
        [f"Reduce{each}" for each in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2")]
        + ["ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"],
        ((1,), "the axes of {}"),
    ),
}
"""By operator: its inputs whose values decide how much work there is, and what they decide."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Inputs, by a bit for each, that decide something about one operation."""

    operation: Operation
    inputs: int
    words: str


class Reach:
    """Which inputs' values every tensor depends on: a bit for each input, by tensor."""

    def __init__(self, model: FlatModel, names: list[str]) -> None:
        self.bits = {name: 1 << number for number, name in enumerate(names)}
        self.of: dict[str, int] = dict(self.bits)
        self._candidates: list[Operation] = []
        for _ in range(_MOST_PASSES):
            if not self._follow(model.operations) or not model.cyclic:
                break

    def _follow(self, operations: list[Operation]) -> bool:
        """One walk through the model; whether it found anything new."""
        of, changed = self.of, False
        self._candidates = []
        for operation in operations:
            kind = operation.kind
            found = 0
            for read in operation.reads:
                found |= of.get(read, 0)
            if not found:
                continue
            if kind in DECIDING:
                self._candidates.append(operation)
            if kind in _SHAPE_ONLY:
                continue
            if kind in _VALUES_OF:
                found = of.get(operation.read(0), 0)
            elif kind == "Pad":
                found = of.get(operation.read(0), 0) | of.get(operation.read(2), 0)
            for write in operation.writes:
                before = of.get(write, 0)
                if write and found | before != before:
                    of[write] = found | before
                    changed = True
        return changed

    def decisions(self) -> list[Decision]:
        found = []
        for operation in self._candidates:
            positions, words = DECIDING[operation.kind]
            if operation.kind == "RoiAlign" and operation.whole("sampling_ratio", 0):
                continue
            inputs = 0
            for position in positions:
                inputs |= self.of.get(operation.read(position), 0)
            if inputs:
                found.append(Decision(operation, inputs, words.format(operation.label)))
        return found
