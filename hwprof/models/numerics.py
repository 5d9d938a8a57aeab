"""How a model of any format treats numbers: what two right evaluations of it may differ in."""

from __future__ import annotations

from dataclasses import dataclass

from hwprof.models.base import Model


@dataclass(frozen=True, slots=True)
class Numerics:
    """What stands between a model's numbers and plain floats of 32 bits or more."""

    quantised: bool = False
    """Whether tensors are held in steps: 8-bit activations, or weights of few bits."""
    low: str = ""
    """The coarsest type of 16 bits that some tensor has: `float16` or `bfloat16`."""
    random: str = ""
    """What draws random numbers in it, such as `RandomNormal`."""
    steps: tuple[float, ...] = ()
    """Size of a quantisation step of each output, 0 where it is not held in steps."""

    @property
    def plain(self) -> bool:
        """Whether it computes in floats of 32 bits or more all through."""
        return not (self.quantised or self.low)

    @property
    def text(self) -> str:
        """`quantised`, `float16` or both; empty for plain floats."""
        return " and ".join(filter(None, ("quantised" if self.quantised else "", self.low)))


def numerics_of(model: Model) -> Numerics:
    """What the file tells, without its weights. Raises ModelError."""
    if model.format == "onnx":
        from hwprof.models.onnx.file import read_structure
        from hwprof.models.onnx.numerics import drawn_by, is_quantised, low_floats, output_steps

        proto = read_structure(model.path)
        quantised = is_quantised(proto)
        return Numerics(
            quantised,
            low_floats(proto),
            drawn_by(proto),
            output_steps(proto) if quantised else (),
        )
    if model.format == "torch":
        from hwprof.models.pt2 import numerics
        from hwprof.models.pt2.archive import read_archive

        archive = read_archive(model.path)
        quantised = any("quantize" in name for name in numerics.operators(archive))
        return Numerics(quantised, numerics.low_floats(archive), numerics.drawn_by(archive))
    return Numerics()
