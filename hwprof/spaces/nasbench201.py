"""NAS-Bench-201 (Dong & Yang, ICLR 2020): a cell of four nodes, one of five operations per edge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.similarity import Hamming, Linear, Similarity
from hwprof.spaces.analytic import Columns, Part, numbers, summed
from hwprof.spaces.base import Choices, Costs, Indices
from hwprof.spaces.building import Network, check_image
from hwprof.spaces.cells import Dropped, Live, joints
from hwprof.spaces.fixed import FixedChoices, everywhere
from hwprof.spaces.recorder import Tensor, total
from hwprof.spaces.work import NAMES

if TYPE_CHECKING:
    import onnx

FloatArray = NDArray[np.float64]
Layer = Callable[[Network, str, Tensor], Tensor]
"""Writes down a part of the network, given a scope and what it takes."""

# Where each of the six edges starts, grouped by the node where it ends.
_SOURCES = ((0,), (0, 1), (0, 1, 2))
_EDGES = tuple((source, node + 1) for node, sources in enumerate(_SOURCES) for source in sources)
_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

# The macro-architecture on CIFAR-10: five cells per stage, a residual block before the wider ones.
_STAGES, _CELLS, _SIDE, _CLASSES = (16, 32, 64), 5, 32, 10


class NasBench201(FixedChoices):
    """Cells as `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`; 5^6 = 15,625 of them.

    `build` and `costs` are the network of the benchmark on CIFAR-10: fifteen cells of 16, 32 and
    64 channels on images of 32 x 32, every operation executed as the published code does, so none
    is a product with zero. Parameters equal the published ones; the published FLOPs are
    multiply-accumulates, with ten more for the bias of the classifier.
    """

    name = "nasbench201"
    operations = _OPERATIONS
    positions = everywhere(_OPERATIONS, (f"edge{source}-{node}" for source, node in _EDGES))
    _powers = len(_OPERATIONS) ** np.arange(len(_EDGES))[::-1]

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

    def rows(self, texts: Sequence[str]) -> Indices:
        """See `Space.rows`."""
        known = _catalogue()
        numbers = [known.get(text, -1) for text in texts]
        if -1 in numbers:
            for i, number in enumerate(numbers):
                if number < 0:
                    numbers[i] = known[self.format(self.parse(texts[i]))]
        return np.array(numbers, dtype=np.int64)[:, None] // self._powers % len(_OPERATIONS)

    def texts(self, rows: ArrayLike) -> list[str]:
        """See `Space.texts`."""
        known = list(_catalogue())
        return [known[number] for number in (self.indices(rows) @ self._powers).tolist()]

    def costs(self, arch: str | ArrayLike) -> Costs:
        """See `Space.costs`."""
        network = Network()
        _write(network, partial(_cell, choices=self.choices(arch)), 1, _SIDE)
        return network.costs

    def build(
        self, arch: str | ArrayLike, batch: int = 1, resolution: int | None = None
    ) -> onnx.ModelProto:
        """See `Space.build`; the resolution is a multiple of 4, for sides are halved twice."""
        side = _SIDE if resolution is None else resolution
        check_image(self.name, batch, side, least=4, step=4)
        network, cell = Network(), partial(_cell, choices=self.choices(arch))
        return network.model(self.name, _write(network, cell, batch, side))

    def resolution(self, arch: str | ArrayLike) -> int:
        """See `Space.resolution`: the same for all."""
        self.row(arch)
        return _SIDE

    def count(self) -> Columns:
        """See `CountedSpace.count`: of all operations, and once more of those that are live.

        The columns `live_...` are of a runtime that removes dead code: operations from which no
        chain of edges leads to the output, products with zero and sums with their results. Where
        the input of a cell does not reach its output, what comes before the last cell is dead too.
        """
        more = len(NAMES)
        executed = (
            ((edge,), np.pad(table, [(0, 0), (0, more)]))
            for edge, table in enumerate(self._table())
        )
        live = (
            (range(len(_EDGES)), np.pad(table, [*[(0, 0)] * len(_EDGES), (more, 0)]))
            for table in _live_tables()
        )
        names = (*NAMES, *(f"live_{name}" for name in NAMES))
        return summed(self, [*executed, *live], names)

    def layers(self) -> Sequence[Part]:
        """See `CountedSpace.layers`: an edge is one in all cells."""
        return [Part((p.name,), _edge_costs, p.name) for p in self.positions]

    def layer_of(self, node: str) -> str:
        """See `CountedSpace.layer_of`."""
        scopes = [scope for scope in node.split(".") if scope.startswith("edge")]
        return scopes[0] if scopes else ""

    def similarity(self) -> Similarity:
        """Counts of the operations; where a device is smoothed, also of those that are used (some
        runtimes drop the others), and 0.7^d, d operations that differ.

        The count of `none` is left out: it follows from the others.
        """
        counts = Linear(np.tile(np.eye(len(self.operations)), (len(self.positions), 1))[:, 1:])
        return Similarity(
            name=self.name,
            smoothing=(counts, Live(_EDGES), Hamming(len(self.positions))),
            smoothing_weights=(
                *((1, 0, hamming) for hamming in (0, 0.03, 0.1, 0.3, 1)),
                *((1, 0.1, hamming) for hamming in (0, 0.03, 0.3)),
                *((1, 1, hamming) for hamming in (0, 0.03, 0.3, 1)),
            ),
            transfer=(counts, Dropped(_EDGES)),
            transfer_weights=((1e-4, 0.003, 0.03, 0.3), (1e-5, 0.3)),
            device_weights=(0.1, 0.5, 1.0, 2.0),
            noises=(1e-5, 0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.4, 0.8),
        )


@cache
def _catalogue() -> dict[str, int]:
    """The number of each cell by its text, in the order of the rows."""
    nodes = [
        [
            "|" + "".join(f"{op}~{source}|" for op, source in zip(chosen, node, strict=True))
            for chosen in product(_OPERATIONS, repeat=len(node))
        ]
        for node in _SOURCES
    ]
    return {"+".join(cell): number for number, cell in enumerate(product(*nodes))}


def _live_tables() -> Iterator[FloatArray]:
    """What is live in every cell there is, `[5, 5, 5, 5, 5, 5, c]`: by edge, by node, the rest."""
    shape, edges = (len(_OPERATIONS),) * len(_EDGES), np.array(_EDGES)
    chosen = np.indices(shape).reshape(len(_EDGES), -1).T
    used, reached = joints((chosen > 0).astype(np.float64), edges)
    live = (chosen > 0) * used[:, edges[:, 1]]
    every = (reached[:, -1:] > 0).astype(np.int64)

    def table(costs: FloatArray) -> FloatArray:
        return costs.reshape(*shape, len(NAMES))

    operations = np.stack([_in_cells(partial(_operation, operation=o)) for o in _OPERATIONS])
    for edge, column in enumerate(chosen.T):
        yield table(live[:, [edge]] * operations[column, 1 - every[:, 0]])
    both = _in_cells(lambda net, scope, x: net.add(scope, x, x))
    for node in range(1, len(_SOURCES) + 1):
        parts = live[:, edges[:, 1] == node].sum(axis=1)
        yield table(np.maximum(parts - 1, 0)[:, None] * both[1 - every[:, 0]])
    whole, end = Network(), Network()
    _write(whole, lambda net, scope, x: x, 1, _SIDE)
    _end(end, Tensor("x", (1, _STAGES[-1], *2 * (_SIDE >> len(_STAGES) - 1,))))
    yield table(np.array([numbers(whole.costs), numbers(end.costs)], dtype=float)[1 - every[:, 0]])


def _in_cells(write: Layer) -> FloatArray:
    """What a part of a cell has to do in all cells, and in the last one alone, `[2, c]`."""
    found = []
    for stage, channels in enumerate(_STAGES):
        net = Network()
        write(net, "part", Tensor("x", (1, channels, *2 * (_SIDE >> stage,))))
        found.append(numbers(net.costs))
    return np.array([_CELLS * np.sum(found, axis=0), found[-1]], dtype=np.float64)


@cache
def _edge_costs(operation: str) -> Costs:
    """What an operation on an edge costs in all cells."""
    found = []
    for stage, channels in enumerate(_STAGES):
        net = Network()
        _operation(net, "edge", Tensor("x", (1, channels, *2 * (_SIDE >> stage,))), operation)
        found += [net.costs] * _CELLS
    return total(found)


def _write(net: Network, cell: Layer, batch: int, side: int) -> Tensor:
    """The network of one cell; its logits `[b, 10]`."""
    x = net.conv_norm("stem", net.image(batch, side), _STAGES[0], 3)
    for stage, channels in enumerate(_STAGES, 1):
        if stage > 1:
            x = _reduction(net, f"reduction{stage}", x, channels)
        for number in range(1, _CELLS + 1):
            x = cell(net, f"stage{stage}.cell{number}", x)
    return _end(net, x)


def _end(net: Network, x: Tensor) -> Tensor:
    """What follows the last cell."""
    x = net.activate("Relu", "last", net.batch_norm("last", x))
    return net.linear("classifier", net.global_pool("last", x), _CLASSES)


def _cell(net: Network, scope: str, x: Tensor, choices: Choices) -> Tensor:
    nodes = [x]
    remaining = iter(choices)
    for node, sources in enumerate(_SOURCES, 1):
        parts = [
            _operation(net, f"{scope}.edge{source}-{node}", nodes[source], next(remaining))
            for source in sources
        ]
        total = parts[0]
        for part in parts[1:]:
            total = net.add(f"{scope}.node{node}", total, part)
        nodes.append(total)
    return nodes[-1]


def _operation(net: Network, scope: str, x: Tensor, operation: str) -> Tensor:
    if operation == "none":
        return net.multiply(scope, x, net.number("zero", 0.0))
    if operation == "skip_connect":
        return x
    if operation == "avg_pool_3x3":
        return net.pool("AveragePool", scope, x, kernel=3, stride=1, padding=1)
    side = 1 if operation == "nor_conv_1x1" else 3
    return net.conv_norm(scope, net.activate("Relu", scope, x), x.shape[1], side)


def _reduction(net: Network, scope: str, x: Tensor, channels: int) -> Tensor:
    """A residual block of half the side; the shortcut is a mean of 2 x 2 and a product."""
    first = f"{scope}.conv1"
    y = net.conv_norm(first, net.activate("Relu", first, x), channels, 3, stride=2)
    second = f"{scope}.conv2"
    y = net.conv_norm(second, net.activate("Relu", second, y), channels, 3)
    short = net.pool("AveragePool", f"{scope}.shortcut", x, kernel=2, stride=2)
    return net.add(scope, net.conv(f"{scope}.shortcut", short, channels), y)
