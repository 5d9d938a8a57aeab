"""The values that a model is run on: the given ones, and those that a rule makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwprof.errors import ModelError
from hwprof.models.inputs.recipe import Recipe, usual_recipe
from hwprof.models.inputs.stored import Value

if TYPE_CHECKING:
    from hwprof.models.base import Model


def feed_of(model: Model) -> dict[str, Value]:
    """What every input of `model` holds, by its name, in the order of the subject's inputs.

    Raises ModelError for a type for which no values can be made up.
    """
    said = {each.name: each for each in model.subject.values}
    feed: dict[str, Value] = {}
    for spec in model.subject.inputs:
        values = said.get(spec.name)
        if spec.name in model.given:
            feed[spec.name] = _copied(model.given[spec.name])
        elif values is not None and values.sha256:
            raise ModelError(
                f"the values given for input '{spec.name}' of '{model.path.name}' did not come "
                "with it; measure it again"
            )
        else:
            recipe = usual_recipe(spec) if values is None else Recipe.parse(values.text)
            feed[spec.name] = recipe.array(spec)
    return feed


def tensors_of(model: Model) -> dict[str, np.ndarray]:
    """As `feed_of`, for a runtime that takes tensors of numbers alone.

    Raises ModelError for an input that is anything else.
    """
    feed: dict[str, np.ndarray] = {}
    for name, value in feed_of(model).items():
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufcV":
            kind = next(spec.dtype for spec in model.subject.inputs if spec.name == name)
            raise ModelError(
                f"input '{name}' of '{model.path.name}' is a {kind}, which this runtime does not "
                "take; measure it on onnxruntime-cpu"
            )
        feed[name] = value
    return feed


def _copied(value: Value) -> Value:
    # A copy, so that given values count as memory of the model just as made-up ones do.
    if isinstance(value, list):
        return [item.copy() for item in value]
    return None if value is None else value.copy()
