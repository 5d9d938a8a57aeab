"""Graph convolutional network, trained on the pool's mean device and tuned to the target.

Shapes: n architectures, d features, v nodes, f numbers per node, h = width.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.base import Known, dispersion
from hwprof.predictors.baselines.graphs import Graph, graph_of
from hwprof.predictors.baselines.own import Learnt, OwnBaseline, Told
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import Similarity

if TYPE_CHECKING:
    from torch import Tensor

    Parameters = dict[str, Tensor]

# The published network is 600 wide and trained for 250 epochs, on a GPU.
_LAYERS, _WIDTH = 4, 64
_STEPS, _BATCH, _RATE = 800, 128, 3e-3
# Steps of all measurements at once, and their size: of 3e-4, 1e-3 and 3e-3, on HELP's validation
# devices ten measurements rank best with the first two, and errors are lower with the last two.
_TUNING, _TUNING_RATE = 100, 1e-3
# Architectures predicted at once.
_ROWS = 2000


class GraphConvolution(OwnBaseline):
    """The latency predictor of BRP-NAS (Dudziak, Chau, Abdelfattah, Lee, Kim, Lane, "BRP-NAS:
    Prediction-based NAS using GCNs", NeurIPS 2020): nodes are operations, one-hot, and one more
    that all others lead to; four graph convolutions (Kipf & Welling, ICLR 2017), and a line from
    what the last node hears.

    It is trained on the mean of the pool's devices, each relative to its own mean, and all of it is
    tuned to the target's measurements, as that paper transfers a predictor to what few are known
    of. Narrower and trained for less long than published: seconds on one core. Needs the extra
    `torch`.
    """

    def __init__(self, known: Known, graph: Graph, parameters: Parameters) -> None:
        self.known = known
        self.graph = graph
        self.parameters = parameters

    @classmethod
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """See `Predictor.fit`: a few seconds, deterministic in `seed`.

        Raises OptionError when torch is not installed, for features that are not the space's, and
        for what is no `Similarity`.
        """
        if find_spec("torch") is None:
            raise OptionError(
                "the predictor 'gcn' needs torch, which is not installed; run "
                "pip install 'hwprof[torch]'"
            )
        graph = graph_of(similarity, pool.features)
        known = Known.of(pool, pool.features, dispersion(pool))
        measured = np.flatnonzero(pool.measured.any(axis=1))
        parameters = _trained(graph, pool.features[measured], known.typical[measured], seed)
        return cls(known, graph, parameters)

    def inputs(self, features: FloatArray) -> FloatArray:
        """The features themselves, of which the graph is made, `[n, d]`."""
        return np.asarray(features, dtype=np.float64)

    def learn(self, inputs: FloatArray, values: FloatArray, weight: FloatArray) -> Learnt:
        """See `OwnBaseline.learn`. A network alone tells no deviation of its own."""
        before = np.maximum(_told(self.parameters, self.graph, inputs), 0.01)
        scale = float(np.median(values / before))
        tuned = _tuned(self.parameters, self.graph, inputs, values / scale, weight)

        def tell(rows: FloatArray) -> Told:
            return scale * _told(tuned, self.graph, rows), np.zeros(len(rows))

        return tell


def _trained(graph: Graph, features: FloatArray, typical: FloatArray, seed: int) -> Parameters:
    """A network of the mean device, `[n, d]` and `[n]`."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    parameters = _initial(graph.width, generator)
    # The line answers with the mean to begin with, in steps of a deviation.
    middle, deviation = float(typical.mean()), max(float(typical.std()), 1e-6)
    parameters["mean"] = torch.tensor([middle])
    parameters["deviation"] = torch.tensor([deviation])
    x = torch.as_tensor(graph.nodes(features))
    y = torch.as_tensor(((typical - middle) / deviation).astype(np.float32))
    moving = [p.requires_grad_() for name, p in parameters.items() if name not in _FIXED]
    optimiser = torch.optim.AdamW(moving, lr=_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    hears = torch.as_tensor(graph.adjacency)
    for _ in range(_STEPS):
        batch = torch.randint(len(x), (min(_BATCH, len(x)),), generator=generator)
        loss = ((_standard(parameters, hears, x[batch]) - y[batch]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return {name: p.detach() for name, p in parameters.items()}


def _tuned(
    parameters: Parameters,
    graph: Graph,
    features: FloatArray,
    values: FloatArray,
    weight: FloatArray,
) -> Parameters:
    """The network after steps on the measurements `[k]`, relative to the mean device."""
    import torch

    own = {name: p.clone() for name, p in parameters.items()}
    moving = [p.requires_grad_() for name, p in own.items() if name not in _FIXED]
    optimiser = torch.optim.Adam(moving, lr=_TUNING_RATE)
    x, hears = torch.as_tensor(graph.nodes(features)), torch.as_tensor(graph.adjacency)
    y = torch.as_tensor(values.astype(np.float32))
    share = torch.as_tensor((weight**2 / (weight**2).sum()).astype(np.float32))
    target = (y - own["mean"]) / own["deviation"]
    for _ in range(_TUNING):
        loss = (share * (_standard(own, hears, x) - target) ** 2).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return {name: p.detach() for name, p in own.items()}


_FIXED = ("mean", "deviation")


def _told(parameters: Parameters, graph: Graph, features: FloatArray) -> FloatArray:
    """Costs relative to the mean device, `[n]`."""
    import torch

    found = [np.zeros(0)]
    hears = torch.as_tensor(graph.adjacency)
    with torch.no_grad():
        for start in range(0, len(features), _ROWS):
            x = torch.as_tensor(graph.nodes(features[start : start + _ROWS]))
            told = _standard(parameters, hears, x) * parameters["deviation"] + parameters["mean"]
            found.append(told.numpy().astype(np.float64))
    return np.concatenate(found)


def _standard(parameters: Mapping[str, Tensor], hears: Tensor, x: Tensor) -> Tensor:
    """Costs in deviations from the mean, `[n, v, f] -> [n]`."""
    import torch

    for layer in range(_LAYERS):
        # The line reads the last node alone: the last layer computes nothing else.
        rows = hears if layer < _LAYERS - 1 else hears[-1:]
        mixed = x @ parameters[f"gc{layer}.weight"] + parameters[f"gc{layer}.bias"]
        x = torch.relu(rows @ mixed)
    found: Tensor = x[:, 0] @ parameters["line.weight"] + parameters["line.bias"]
    return found


def _initial(inputs: int, generator: object) -> Parameters:
    import torch

    parameters: Parameters = {}
    for layer in range(_LAYERS):
        shape = (inputs, _WIDTH)
        # He et al., ICCV 2015, for what rectified units hear.
        normal = torch.randn(shape, generator=generator)  # type: ignore[call-overload]
        parameters[f"gc{layer}.weight"] = normal * float(np.sqrt(2 / (_WIDTH if layer else 8)))
        parameters[f"gc{layer}.bias"] = torch.zeros(_WIDTH)
        inputs = _WIDTH
    line = torch.randn(_WIDTH, generator=generator)  # type: ignore[call-overload]
    parameters["line.weight"] = line / float(np.sqrt(_WIDTH))
    parameters["line.bias"] = torch.zeros(1)
    return parameters
