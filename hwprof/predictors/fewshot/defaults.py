"""Kernels for a plain feature matrix of which nothing is known."""

from __future__ import annotations

from hwprof.similarity import Kernels, Linear, Rbf

# A linear part, since costs add up, and a smooth one for what does not. Length 1 is the distance
# between two typical architectures: it bends over the whole pool rather than between neighbours.
# Sixty directions hold nearly all of such a smooth kernel.
PLAIN = Kernels(
    name="plain",
    smoothing=(Linear(), Rbf(length=1.0)),
    smoothing_weights=((1, 0), (1, 0.03), (1, 0.1), (1, 0.3), (1, 1), (0.1, 1)),
    transfer=(Linear(), Rbf(length=1.0, rank=60)),
    transfer_weights=((1e-5, 0.001, 0.01, 0.1), (1e-6, 0.003, 0.03, 0.3)),
    device_weights=(0.1, 0.5, 1.0, 2.0),
    noises=(1e-4, 0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.22),
)
