"""HELP's networks, written for a batch of devices: each device has parameters of its own.

Shapes: t devices (or samples of one device), b architectures, v graph nodes, f inputs, h = width,
e = size of the hardware embedding. Parameters carry a leading `t`.

Source: Lee, Lee, Chong, Hwang, "HELP: Hardware-Adaptive Efficient Latency Prediction for NAS via
Meta-Learning", NeurIPS 2021, section 3 and appendix; its published configuration.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hwprof.predictors.help.encoders import Encoder

Parameters = dict[str, Tensor]

# Layers that z modulates, in the order of its parts.
_MODULATED = ("fc3", "fc4", "fc5")
_Z_HIDDEN = 10
_GRAPH_LAYERS = 4
_GRAPH_WEIGHT = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """The shapes of HELP's networks; parameters are handed in, so that they can be adapted."""

    encoder: Encoder
    width: int
    embedding: int
    z_scale: float

    def initial(self, generator: torch.Generator) -> Parameters:
        """Parameters of the latency predictor, without the leading `t`."""
        wide, made = self.width, Parameters()
        graph = self.encoder.adjacency is not None
        for name, inputs, outputs in self._linear_layers():
            made[f"{name}.weight"], made[f"{name}.bias"] = _linear(inputs, outputs, generator)
        if graph:
            inputs = self.encoder.width
            for layer in range(1, _GRAPH_LAYERS + 1):
                made[f"gc{layer}.weight"] = _uniform((inputs, wide), _GRAPH_WEIGHT, generator)
                made[f"gc{layer}.bias"] = _uniform((1, wide), 1 / math.sqrt(wide), generator)
                inputs = wide
        return made

    def initial_z(self, generator: torch.Generator) -> Parameters:
        """Parameters of the inference network, which reads the hardware embedding."""
        made = Parameters()
        outputs = 2 * len(_MODULATED) * (2 * self.width + 1)
        made["z1.weight"], made["z1.bias"] = _linear(self.embedding, _Z_HIDDEN, generator)
        made["z2.weight"], made["z2.bias"] = _linear(_Z_HIDDEN, outputs, generator)
        return made

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the parameters that `initial` makes, by name."""
        made: dict[str, tuple[int, ...]] = {}
        for name, inputs, outputs in self._linear_layers():
            made |= {f"{name}.weight": (inputs, outputs), f"{name}.bias": (1, outputs)}
        if self.encoder.adjacency is not None:
            inputs = self.encoder.width
            for layer in range(1, _GRAPH_LAYERS + 1):
                made |= {
                    f"gc{layer}.weight": (inputs, self.width),
                    f"gc{layer}.bias": (1, self.width),
                }
                inputs = self.width
        return made

    def z_shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the parameters that `initial_z` makes, by name."""
        outputs = 2 * len(_MODULATED) * (2 * self.width + 1)
        return {
            "z1.weight": (self.embedding, _Z_HIDDEN),
            "z1.bias": (1, _Z_HIDDEN),
            "z2.weight": (_Z_HIDDEN, outputs),
            "z2.bias": (1, outputs),
        }

    def posterior(
        self, z_parameters: Mapping[str, Tensor], hardware: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean and deviation of z given the embedding `[t, e]`: each `[t, 3 (2h + 1)]`."""
        hidden = functional.relu(hardware @ z_parameters["z1.weight"] + z_parameters["z1.bias"])
        mean, spread = (hidden @ z_parameters["z2.weight"] + z_parameters["z2.bias"]).chunk(2, 1)
        return mean, functional.softplus(spread)

    def modulated(self, parameters: Mapping[str, Tensor], z: Tensor) -> Parameters:
        """Parameters for each row of z, `[t, ...]`: the last three layers are scaled by it."""
        devices, wide = z.shape[0], 2 * self.width
        made = {k: p.expand(devices, *p.shape) for k, p in parameters.items()}
        for part, name in enumerate(_MODULATED):
            scale = 1 + self.z_scale * z[:, part * wide : (part + 1) * wide]
            shift = self.z_scale * z[:, len(_MODULATED) * wide + part]
            made[f"{name}.weight"] = made[f"{name}.weight"] * scale[:, :, None]
            made[f"{name}.bias"] = made[f"{name}.bias"] + shift[:, None, None]
        return made

    def forward(self, parameters: Mapping[str, Tensor], x: Tensor, hardware: Tensor) -> Tensor:
        """Normalised latencies `[t, b]`; x is `[t, v, b, f]` (v = 1 without a graph)."""
        p = parameters
        if self.encoder.adjacency is None:
            out = _dense(_dense(x[:, 0], p, "fc1"), p, "fc2")
        else:
            out = self._graph(p, x, torch.as_tensor(self.encoder.adjacency))
        hw = _dense(_dense(hardware[:, None], p, "fc_hw1"), p, "fc_hw2")
        out = torch.cat([out, hw.expand(-1, out.shape[1], -1)], dim=2)
        out = _dense(_dense(out, p, "fc3"), p, "fc4")
        return torch.baddbmm(p["fc5.bias"], out, p["fc5.weight"])[:, :, 0]

    def _graph(self, p: Mapping[str, Tensor], x: Tensor, adjacency: Tensor) -> Tensor:
        devices, nodes, batch, _ = x.shape
        for layer in range(1, _GRAPH_LAYERS + 1):
            # The network reads the global node alone: the last layer computes nothing else.
            rows = adjacency if layer < _GRAPH_LAYERS else adjacency[-1:]
            gathered = torch.matmul(rows, x.reshape(devices, nodes, -1))
            flat = gathered.reshape(devices, len(rows) * batch, -1)
            x = _dense(flat, p, f"gc{layer}").reshape(devices, len(rows), batch, -1)
        return x[:, 0]

    def _linear_layers(self) -> list[tuple[str, int, int]]:
        wide = self.width
        first = (
            []
            if self.encoder.adjacency is not None
            else [
                ("fc1", self.encoder.width, wide),
                ("fc2", wide, wide),
            ]
        )
        hardware = [("fc_hw1", self.embedding, wide), ("fc_hw2", wide, wide)]
        double = 2 * wide
        return [
            *first,
            *hardware,
            ("fc3", double, double),
            ("fc4", double, double),
            ("fc5", double, 1),
        ]


def adapt(
    network: Network,
    parameters: Parameters,
    rates: Mapping[str, Tensor],
    batch: tuple[Tensor, Tensor, Tensor],
    steps: int,
    second_order: bool,
) -> Parameters:
    """Meta-SGD's inner loop (Li, Zhou, Chen, Li, 2017): every parameter has a learned rate.

    `batch` is (x `[t, v, b, f]`, normalised latencies `[t, b]`, embedding `[t, e]`); parameters
    carry the leading `t`, rates do not. `second_order` keeps the graph for the outer gradient.
    """
    x, y, hardware = batch
    names = list(parameters)
    for _ in range(steps):
        loss = mean_square(network.forward(parameters, x, hardware), y)
        slopes = torch.autograd.grad(
            loss.sum(), [parameters[name] for name in names], create_graph=second_order
        )
        parameters = {
            name: parameters[name] - rates[name] * slope
            for name, slope in zip(names, slopes, strict=True)
        }
    return parameters


def mean_square(predicted: Tensor, y: Tensor) -> Tensor:
    """Mean squared error per device, `[t, b]` twice -> `[t]`."""
    return ((predicted - y) ** 2).mean(dim=1)


def divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """Kullback-Leibler divergence of a diagonal normal from the standard one, per device `[t]`."""
    return (0.5 * (mean**2 + deviation**2 - 1) - torch.log(deviation)).sum(dim=1)


def _dense(x: Tensor, parameters: Mapping[str, Tensor], name: str) -> Tensor:
    return functional.relu(
        torch.baddbmm(parameters[f"{name}.bias"], x, parameters[f"{name}.weight"])
    )


def _linear(inputs: int, outputs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    bound = 1 / math.sqrt(inputs)
    return _uniform((inputs, outputs), bound, generator), _uniform((1, outputs), bound, generator)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound
