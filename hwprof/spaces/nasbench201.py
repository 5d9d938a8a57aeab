"""NAS-Bench-201 (Dong & Yang, ICLR 2020): a cell of four nodes, one of five operations per edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwprof.errors import OptionError
from hwprof.spaces.base import Choices, Space
from hwprof.spaces.cells import Live
from hwprof.spaces.kernels import Hamming, Kernels, Linear

# Where each of the six edges starts, grouped by the node where it ends.
_SOURCES = ((0,), (0, 1), (0, 1, 2))
_EDGES = tuple((source, node + 1) for node, sources in enumerate(_SOURCES) for source in sources)


class NasBench201(Space):
    """Cells as `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`; 5^6 = 15,625 of them."""

    name = "nasbench201"
    operations = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    positions = 6

    def parse(self, text: str) -> Choices:
        """See `Space.parse`."""
        nodes = text.strip().split("+")
        edges = [node.strip("|").split("|") for node in nodes]
        pairs = [[edge.partition("~") for edge in node] for node in edges]
        sources = tuple(tuple(source for _, _, source in node) for node in pairs)
        if sources != tuple(tuple(map(str, node)) for node in _SOURCES):
            raise OptionError(
                f"{text!r} is not a cell of {self.name}; write |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
            )
        return self.check([operation for node in pairs for operation, _, _ in node])

    def format(self, choices: Sequence[str]) -> str:
        """See `Space.format`."""
        remaining = iter(self.check(choices))
        return "+".join(
            "|" + "".join(f"{next(remaining)}~{source}|" for source in node) for node in _SOURCES
        )

    def kernels(self) -> Kernels:
        """Counts of the operations; where a device is smoothed, also of those that are used (some
        runtimes drop the others), and the Hamming kernel 0.7^d.

        The count of `none` is left out: it follows from the others.
        """
        counts = Linear(np.tile(np.eye(len(self.operations)), (self.positions, 1))[:, 1:])
        return Kernels(
            name=self.name,
            smoothing=(counts, Live(_EDGES), Hamming(self.positions)),
            smoothing_weights=(
                *((1, 0, hamming) for hamming in (0, 0.03, 0.1, 0.3, 1)),
                *((1, 0.1, hamming) for hamming in (0, 0.03, 0.3)),
                *((1, 1, hamming) for hamming in (0, 0.03, 0.3, 1)),
            ),
            transfer=(counts,),
            transfer_weights=((1e-4, 0.003, 0.03, 0.3),),
            device_weights=(0.1, 0.5, 1.0, 2.0),
            noises=(1e-5, 0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.22),
        )
