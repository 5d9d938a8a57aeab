"""Meta-training of HELP, guarded: a state is kept only after it has been validated.

Source: Lee, Lee, Chong, Hwang, "HELP", NeurIPS 2021, algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hwprof.predictors.help.encoders import Float32Array
from hwprof.predictors.help.episodes import Episode, Task, draw
from hwprof.predictors.help.network import (
    Network,
    Parameters,
    adapt,
    divergence,
    mean_square,
)
from hwprof.predictors.help.options import HelpOptions
from hwprof.predictors.help.ranks import rank_correlation
from hwprof.predictors.help.report import TrainingReport
from hwprof.predictors.pool import FloatArray

# Latencies lie in 0..1: a loss of 100 on any device is no prediction any more.
_BLOWN_UP = 100.0
_RESTORES = 3
# Support sets per validation device: one alone would let luck choose the state.
_CHECK_DRAWS = 3
_CHECK_QUERIES = 700


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Everything that is learned, without a leading device dimension."""

    network: Parameters
    z: Parameters
    rates: Parameters

    def flat(self) -> dict[str, Tensor]:
        """All tensors by a name that says which part they belong to."""
        parts = {"network": self.network, "z": self.z, "rates": self.rates}
        return {f"{part}/{name}": p for part, ps in parts.items() for name, p in ps.items()}

    def copy(self) -> State:
        """Detached copies."""
        return State(
            *(
                {k: p.detach().clone() for k, p in ps.items()}
                for ps in (self.network, self.z, self.rates)
            )
        )


def meta_train(
    network: Network,
    inputs: Float32Array,
    training: tuple[Task, ...],
    validation: tuple[Task, ...],
    options: HelpOptions,
    seed: int,
) -> tuple[State, TrainingReport]:
    """Learn from the training devices; the best state on the validation devices wins.

    `inputs` are the encoder's values for every row of the pool, `[v, n, f]`. Whenever a loss, a
    gradient or a validated prediction is not finite or has blown up, the best state so far comes
    back and the rate is halved; the fourth time training stops there. Deterministic in `seed`.
    """
    generator = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    x = torch.as_tensor(inputs)
    state = _initial(network, options, generator)
    checks = [
        draw(validation, options.samples, _CHECK_QUERIES, np.random.default_rng([seed, i]))
        for i in range(_CHECK_DRAWS)
    ]

    def score(current: State) -> float:
        return float(np.mean([_score(network, current, x, check, options) for check in checks]))

    best, best_score, best_episode = state.copy(), score(state), 0
    best_score = best_score if np.isfinite(best_score) else -1.0
    rate, restores, done = options.meta_rate, 0, 0
    optimiser = _optimiser(state, rate)
    for episode in range(1, options.episodes + 1):
        chosen = rng.permutation(len(training))[: options.tasks]
        drawn = draw(tuple(training[i] for i in chosen), options.samples, options.queries, rng)
        sound = _step(network, state, optimiser, x, drawn, options, generator)
        done = episode
        if sound and episode % options.check_every != 0 and episode != options.episodes:
            continue
        value = score(state) if sound else float("nan")
        if np.isfinite(value):
            if value > best_score:
                best, best_score, best_episode = state.copy(), value, episode
            continue
        restores += 1
        if restores > _RESTORES:
            break
        rate /= 2
        state = _restored(best)
        optimiser = _optimiser(state, rate)
    return best, TrainingReport(
        done, best_episode, best_score, restores, stopped_early=restores > _RESTORES
    )


def _initial(network: Network, options: HelpOptions, generator: torch.Generator) -> State:
    weights = network.initial(generator)
    rates = {name: torch.full_like(p, options.inner_rate) for name, p in weights.items()}
    return _restored(State(weights, network.initial_z(generator), rates))


def _restored(state: State) -> State:
    fresh = state.copy()
    for p in fresh.flat().values():
        p.requires_grad_(True)
    return fresh


def _optimiser(state: State, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(list(state.flat().values()), lr=rate)


def _step(
    network: Network,
    state: State,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    episode: Episode,
    options: HelpOptions,
    generator: torch.Generator,
) -> bool:
    """One outer step; False, and no step, when the loss or a gradient has blown up."""
    hardware = _tensor(episode.hardware)
    mean, deviation = network.posterior(state.z, hardware)
    z = mean + deviation * torch.randn(mean.shape, generator=generator)
    support = (gather(x, episode.support), _tensor(episode.support_unit), hardware)
    adapted = adapt(
        network,
        network.modulated(state.network, z),
        state.rates,
        support,
        options.inner_steps,
        True,
    )
    predicted = network.forward(adapted, gather(x, episode.queries), hardware)
    losses = mean_square(predicted, _tensor(episode.query_unit))
    # The published loss charges each device's divergence in full, not its mean.
    loss = losses.mean() + options.kl_scale * divergence(mean, deviation).sum()
    if not bool(torch.isfinite(loss)) or float(losses.detach().max()) > _BLOWN_UP:
        return False
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    slopes = [p.grad for p in state.flat().values() if p.grad is not None]
    if not all(bool(torch.isfinite(slope).all()) for slope in slopes):
        return False
    optimiser.step()
    return True


def _score(
    network: Network, state: State, x: Tensor, episode: Episode, options: HelpOptions
) -> float:
    """Mean rank correlation over the devices, NaN if a prediction is not finite or blew up."""
    hardware = _tensor(episode.hardware)
    mean, _ = network.posterior(state.z, hardware)
    support = (gather(x, episode.support), _tensor(episode.support_unit), hardware)
    adapted = fine_tuned(network, state, mean, support, options.inner_steps)
    with torch.no_grad():
        predicted = network.forward(adapted, gather(x, episode.queries), hardware).numpy()
    if not np.isfinite(predicted).all() or np.abs(predicted).max() > _BLOWN_UP:
        return float("nan")
    ranks = [rank_correlation(p, y) for p, y in zip(predicted, episode.query_unit, strict=True)]
    return float(np.mean(ranks))


def fine_tuned(
    network: Network,
    state: State,
    z: Tensor,
    support: tuple[Tensor, Tensor, Tensor],
    steps: int,
) -> Parameters:
    """Parameters adapted to a new device, one set per row of z; no graph is kept."""
    with torch.enable_grad():
        start = {
            name: p.detach().requires_grad_(True)
            for name, p in network.modulated(state.network, z.detach()).items()
        }
        adapted = adapt(network, start, state.rates, support, steps, False)
    return {name: p.detach() for name, p in adapted.items()}


def gather(x: Tensor, rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Tensor:
    """Inputs `[v, n, f]` of rows `[t, b]` -> `[t, v, b, f]`, contiguous."""
    return x[:, torch.as_tensor(rows)].transpose(0, 1).contiguous()


def _tensor(values: FloatArray) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float32))
