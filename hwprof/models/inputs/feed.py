"""The values that a model is run on, from its record and, where they were given, their file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwprof.graph import TensorSpec
from hwprof.models.inputs.recipe import Recipe, usual_recipe
from hwprof.models.inputs.stored import read_values

if TYPE_CHECKING:
    from hwprof.models.base import Model

Value = np.ndarray | list[np.ndarray] | None
"""A tensor, the tensors of a sequence, or an optional that is left empty."""


def feed_of(model: Model) -> dict[str, Value]:
    """What every input of `model` holds, by its name, in the order of the subject's inputs.

    Raises ModelError for a type that has no such values, and for a file of given values that is
    not the one that was read.
    """
    said = {each.name: each for each in model.subject.values}
    stored = read_values(model) if any(each.sha256 for each in said.values()) else {}
    feed: dict[str, Value] = {}
    for spec in model.subject.inputs:
        values = said.get(spec.name)
        if values is not None and values.sha256:
            feed[spec.name] = stored[spec.name]
        else:
            recipe = usual_recipe(spec) if values is None else Recipe.parse(values.text)
            feed[spec.name] = recipe.array(spec)
    return feed


def random_input(spec: TensorSpec) -> np.ndarray:
    """What an input of which nothing is known holds."""
    return usual_recipe(spec).array(spec)
