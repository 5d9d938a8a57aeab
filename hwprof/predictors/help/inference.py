"""Fine-tuning HELP to a device, and predicting with it.

Shapes: k measurements, n architectures, e reference architectures, v graph nodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor

from hwprof.predictors.base import IntArray
from hwprof.predictors.help.encoders import Float32Array
from hwprof.predictors.help.network import Network, Parameters
from hwprof.predictors.help.options import HelpOptions
from hwprof.predictors.help.training import State, fine_tuned
from hwprof.predictors.pool import FloatArray

# In units of the device's range: beyond this a prediction has left the device behind.
_BLOWN_UP = 10.0
# Architectures per pass: larger ones only cost memory.
_CHUNK = 2048
# More measurements than these tell no more about the spread.
_LEFT_OUT = 20


class Answering(StrEnum):
    """Whose answer an adapted HELP gives."""

    FINE_TUNED = "fine-tuned network"
    META_LEARNED = "network without fine-tuning, which diverged"
    MIXTURE = "NNLS mixture of the pool's devices"


@dataclass(frozen=True, slots=True, eq=False)
class Support:
    """What the inner loop adapts to."""

    inputs: Float32Array
    """Encoded architectures, `[v, k, f]`."""
    unit: FloatArray
    """Normalised latencies, `[k]`."""
    hardware: FloatArray
    """Embedding, `[e]`."""

    def tensors(self, rows: IntArray) -> tuple[Tensor, Tensor, Tensor]:
        """One set of measurements per row of `rows` `[t, s]`, as `adapt` takes them."""
        x = torch.as_tensor(self.inputs)[:, torch.as_tensor(rows)].transpose(0, 1).contiguous()
        y = torch.as_tensor(self.unit[rows].astype(np.float32))
        return x, y, _repeated(self.hardware, len(rows))


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """HELP on one device: one network per draw of z."""

    network: Network
    parameters: Parameters
    hardware: FloatArray
    answering: Answering

    def predict(self, inputs: Float32Array) -> FloatArray:
        """Normalised latencies of encoded architectures, `[v, n, f] -> [n]`."""
        draws = len(next(iter(self.parameters.values())))
        hardware = _repeated(self.hardware, draws)
        parts = [np.zeros(0)]
        with torch.no_grad():
            for start in range(0, inputs.shape[1], _CHUNK):
                x = torch.as_tensor(inputs[:, start : start + _CHUNK])
                x = x.expand(draws, *x.shape)
                unit = self.network.forward(self.parameters, x, hardware).mean(dim=0)
                parts.append(unit.double().numpy())
        return np.concatenate(parts)


def tune(
    network: Network, state: State, support: Support, options: HelpOptions, seed: int
) -> Tuned | None:
    """Fine-tune to a device.

    Where that diverges the network answers as it was meta-learned, and where nothing is finite
    there is None.
    """
    mean, deviation = network.posterior(state.z, _repeated(support.hardware, 1))
    noise = torch.randn(
        (options.draws, mean.shape[1]), generator=torch.Generator().manual_seed(seed)
    )
    z = (mean + deviation * noise).detach()
    everything = np.tile(np.arange(len(support.unit)), (options.draws, 1))
    attempts = (
        (Answering.FINE_TUNED, options.inner_steps),
        (Answering.META_LEARNED, 0),
    )
    for answering, steps in attempts:
        parameters = fine_tuned(network, state, z, support.tensors(everything), steps)
        tuned = Tuned(network, parameters, support.hardware, answering)
        answer = tuned.predict(support.inputs)
        if np.isfinite(answer).all() and np.abs(answer).max() < _BLOWN_UP:
            return tuned
    return None


def left_out(
    network: Network, state: State, support: Support, options: HelpOptions
) -> tuple[IntArray, FloatArray]:
    """Measurements left out of the fine-tuning one at a time: which, and what is predicted.

    Up to 20 of them, evenly spread; positions in the support `[r]` and normalised latencies `[r]`.
    """
    count = len(support.unit)
    if count == 1:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    out = np.unique(np.linspace(0, count - 1, min(count, _LEFT_OUT)).astype(np.int64))
    kept = np.stack([np.delete(np.arange(count), i) for i in out])
    mean, _ = network.posterior(state.z, _repeated(support.hardware, len(out)))
    parameters = fine_tuned(network, state, mean, support.tensors(kept), options.inner_steps)
    x, _, hardware = support.tensors(out[:, None])
    with torch.no_grad():
        return out, network.forward(parameters, x, hardware)[:, 0].double().numpy()


def _repeated(hardware: FloatArray, times: int) -> Tensor:
    return torch.as_tensor(hardware.astype(np.float32)).expand(times, -1)
