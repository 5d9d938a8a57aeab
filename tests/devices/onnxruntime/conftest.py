"""Profiles of real models, each made once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.devices.onnxruntime.profiled import MODELS, Profiled, profile_model


@pytest.fixture(scope="session")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Profiled]:
    """Profile of a model of `MODELS` at a level."""
    made: dict[tuple[str, str], Profiled] = {}

    def make(name: str, level: str) -> Profiled:
        if (name, level) not in made:
            path, shape = MODELS[name]
            folder = tmp_path_factory.mktemp(f"{name}-{level}")
            # Without memory patterns the arena is asked for every single tensor.
            made[name, level] = profile_model(
                path, folder, level, shape=shape, memory_pattern=False
            )
        return made[name, level]

    return make
