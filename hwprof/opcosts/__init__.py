"""What an operator has to do: arithmetic and traffic, from the shapes of its tensors alone.

Counting rules, the same for every operator:

- One multiply-accumulate is 2 FLOPs. A bias, or the C of a Gemm, is where an accumulator starts,
  and free.
- Elsewhere each arithmetic operation, comparison or elementary function (exp, log, sqrt, tanh,
  erf, division) on one element is 1 FLOP, integers included. Moving or converting data is 0.
- What is fused into a kernel (residual sum, activation) counts as it would on its own.
- Channels count as the kernel has them. ONNX Runtime's blocked layout (domain
  `com.microsoft.nchwc`) pads channels to a multiple of its block, the padding is really computed
  and really moved, and so it is counted here: such a kernel may cost more than the layer it
  stands for.
- An operator outside the table has no cost: None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.graph import Kernel
from hwprof.opcosts.operations import OPERATIONS, PER_ELEMENT, PICKING, SHAPES, VIEWS
from hwprof.opcosts.products import PRODUCTS, RESIDUAL
from hwprof.opcosts.reading import Cost, key_of, optional, output

__all__ = ["Bytes", "bytes_moved", "flops", "known_operators", "macs"]


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes an operator moves when every tensor is read or written once. Weights are constants."""

    activation_in: int
    weights: int
    out: int

    @property
    def total(self) -> int:
        return self.activation_in + self.weights + self.out


def flops(kernel: Kernel) -> int | None:
    """Operations of one call.

    None for an operator, or a use of one, that the table lacks, and for tensors without a fixed
    size.

    Raises ValueError when the kernel's tensors do not fit its operator.
    """
    key = key_of(kernel)
    if key not in known_operators() or not _sized(kernel):
        return None
    products = _count(PRODUCTS, kernel)
    operations = _count(OPERATIONS, kernel)
    fused = _fused(kernel) if key in PRODUCTS else 0
    if products is None or operations is None or fused is None:
        return None
    return 2 * products + operations + fused


def macs(kernel: Kernel) -> int | None:
    """Multiply-accumulates of one call: convolutions, matrix products, attention, recurrences.

    0 for the other operators of the table; None and errors as for `flops`.
    """
    key = key_of(kernel)
    if key not in known_operators() or not _sized(kernel):
        return None
    return _count(PRODUCTS, kernel)


def bytes_moved(kernel: Kernel) -> Bytes | None:
    """Traffic of one call: each input read once, each output written once, views nothing.

    Of a tensor that is only picked from (Gather, Slice), as much as was picked counts. None for
    an operator outside the table or a tensor without a fixed size.
    """
    key = key_of(kernel)
    if key not in known_operators() or not _sized(kernel):
        return None
    if key in VIEWS:
        return Bytes(0, 0, 0)
    out = sum(t.nbytes or 0 for t in kernel.outputs if t is not None)
    moved = {True: 0, False: 0}
    for position, tensor in enumerate(kernel.inputs):
        if tensor is not None and key not in SHAPES:
            nbytes = tensor.nbytes or 0
            picked = position == 0 and key in PICKING
            moved[tensor.constant] += min(nbytes, out) if picked else nbytes
    return Bytes(moved[False], moved[True], out)


def known_operators() -> frozenset[tuple[str, str]]:
    """Every (domain, operator) with a cost; the ONNX domain is the empty string."""
    return _KNOWN


_KNOWN = frozenset(PRODUCTS) | frozenset(OPERATIONS)


def _count(table: Mapping[tuple[str, str], Cost], kernel: Kernel) -> int | None:
    cost = table.get(key_of(kernel))
    if cost is None:
        return 0
    try:
        return cost(kernel)
    except (ArithmeticError, LookupError, ValueError) as error:
        raise ValueError(f"the tensors of {kernel.key} do not fit the operator: {error}") from error


def _sized(kernel: Kernel) -> bool:
    return all(t is None or t.nbytes is not None for t in (*kernel.inputs, *kernel.outputs))


def _fused(kernel: Kernel) -> int | None:
    """What a convolution or product does after its last multiply-accumulate."""
    elements = output(kernel).elements
    total = elements if key_of(kernel) in RESIDUAL and optional(kernel, 3) is not None else 0
    activation = kernel.attributes.get("activation")
    if not activation:
        return total
    count = PER_ELEMENT.get(activation)
    return None if count is None else total + count * elements
