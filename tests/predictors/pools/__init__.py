"""Small pools whose truth is known."""

import numpy as np

from hwprof.predictors.pool import DevicePool

POSITIONS, CHOICES = 5, 4
ROWS, DEVICES = 120, 6


def one_hot(rows: int = ROWS, seed: int = 0) -> np.ndarray:
    chosen = np.random.default_rng(seed).integers(0, CHOICES, (rows, POSITIONS))
    return np.eye(CHOICES)[chosen].reshape(rows, -1)


def latencies(features: np.ndarray, devices: int, seed: int = 1, noise: float = 0.02) -> np.ndarray:
    """Seconds, shape `[n, devices]`: sums of costs that the devices share in part."""
    rng = np.random.default_rng(seed)
    shared = rng.gamma(2.0, 1.0, (features.shape[1], 2))
    costs = shared @ rng.gamma(1.0, 1.0, (2, devices)) + 0.2 * rng.gamma(
        1.0, 1.0, (features.shape[1], devices)
    )
    speed = 10.0 ** rng.uniform(-3, -2, devices)
    clean = (features @ costs + 1.0) * speed
    return clean * np.exp(noise * rng.standard_normal(clean.shape))


def small_pool(features: np.ndarray | None = None) -> tuple[DevicePool, np.ndarray]:
    """A pool, and the latencies of a device that is not in it."""
    x = one_hot() if features is None else features
    y = latencies(x, DEVICES + 1)
    return DevicePool(x, y[:, :-1], [f"device{j}" for j in range(DEVICES)]), y[:, -1]
