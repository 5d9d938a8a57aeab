"""Many devices and many trade-offs in one run.

MODNAS (Sukthanker et al., 2024) trains one network that is told a device's embedding and a
preference over the objectives, and answers with an architecture; what it learns from are the
scalarised objectives, given here. Shapes: n architectures, D devices, m objectives, r preferences,
e coordinates of an embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray, IntArray
from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.search.goals import Cost
from hwprof.search.objective import Objective
from hwprof.search.pareto import pareto_front


class PreferenceObjective:
    """Objectives of architectures on devices, scalarised by preferences; less is better."""

    def __init__(
        self,
        devices: Mapping[str, AdaptedFewShot],
        objectives: Mapping[str, Cost] | None = None,
        *,
        space: object | None = None,
        reference: ArrayLike | None = None,
        scalarise: Literal["linear", "chebyshev"] = "linear",
        **options: Any,
    ) -> None:
        """The cost on each device first, then `objectives` that hold on all, minimised alike.

        `reference` architectures give each device's objectives their range, which becomes 0 to 1:
        preferences are shares only between what is on one scale. `options` are those of
        `DeviceObjectives`. Raises OptionError for an unknown `scalarise`, and predictors without
        an embedding or of different pools.
        """
        if scalarise not in ("linear", "chebyshev"):
            raise OptionError(f"unknown scalarise {scalarise!r}; choose linear or chebyshev")
        self.scalarise = scalarise
        self.costs = Objective.over(devices, how="each", space=space, **options)
        self.objectives = dict(objectives or {})
        first = self.costs.device(self.devices[0])
        self.names = (first.metric.name, *self.objectives)
        pools = set()
        for name, adapted in devices.items():
            if not isinstance(adapted, AdaptedFewShot):
                raise OptionError(f"{name!r} has no embedding; adapt the few-shot predictor to it")
            pools.add(adapted.fitted.devices)
        if len(pools) > 1:
            raise OptionError("the devices come from different pools; adapt one predictor to each")
        self._embeddings = {name: one.embedding.mean for name, one in devices.items()}
        shape = (len(devices), len(self.names))
        self._low, self._span = np.zeros(shape), np.ones(shape)
        if reference is not None:
            values = self.values(reference)
            self._low = values.min(axis=0)
            self._span = np.maximum(values.max(axis=0) - self._low, 1e-300)

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices, D of them."""
        return self.costs.devices

    @property
    def embeddings(self) -> FloatArray:
        """The devices' embeddings, what the network is told of the hardware, `[D, e]`."""
        return np.stack(list(self._embeddings.values()))

    def embedding(self, device: str) -> FloatArray:
        """One device's embedding, `[e]`. Raises OptionError naming the devices there are."""
        self.costs.device(device)
        return self._embeddings[device]

    def preferences(self, count: int, rng: np.random.Generator, alpha: float = 1.0) -> FloatArray:
        """Preferences drawn from a symmetric Dirichlet distribution, `[r, m]`, rows sum to one.

        Raises OptionError unless `alpha` is positive; below 1 it favours the extremes.
        """
        if alpha <= 0:
            raise OptionError(f"alpha must be positive, but is {alpha}; 1 is uniform")
        return rng.dirichlet(np.full(len(self.names), alpha), count)

    def values(self, archs: ArrayLike) -> FloatArray:
        """The objectives in their own units, `[n, D, m]`."""
        cost = self.costs.each(archs)
        shared = [
            np.asarray(f(np.asarray(archs)), dtype=np.float64) for f in self.objectives.values()
        ]
        columns = [cost, *(np.broadcast_to(one[:, None], cost.shape) for one in shared)]
        return np.stack(columns, axis=2)

    def __call__(self, archs: ArrayLike, preferences: ArrayLike) -> FloatArray:
        """Scalarised values, `[n, D, r]`: the weighted sum of the objectives on the scale of the
        reference, or their weighted maximum (`chebyshev`), which reaches hollow fronts too.

        Raises OptionError for preferences that are not `[r, m]`, 0 or more.
        """
        wanted = np.atleast_2d(np.asarray(preferences, dtype=np.float64))
        if wanted.ndim != 2 or wanted.shape[1] != len(self.names) or not (wanted >= 0).all():
            raise OptionError(
                f"preferences must be [r, {len(self.names)}], 0 or more, one column per objective "
                f"({', '.join(self.names)}), but have shape {wanted.shape}; use preferences()"
            )
        scaled = (self.values(archs) - self._low) / self._span
        if self.scalarise == "linear":
            return scaled @ wanted.T
        worst: FloatArray = (scaled[:, :, None] * wanted).max(axis=3)
        return worst

    def front(self, archs: ArrayLike, device: str) -> IntArray:
        """Architectures that no other one beats in every objective on a device, rising."""
        self.costs.device(device)
        return pareto_front(self.values(archs)[:, self.devices.index(device)])
