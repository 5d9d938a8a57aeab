"""What a model's inputs hold in every run: made up by rule, or given by the caller."""

from hwprof.models.inputs.feed import feed_of as feed_of
from hwprof.models.inputs.feed import tensors_of as tensors_of
from hwprof.models.inputs.recipe import Recipe as Recipe
from hwprof.models.inputs.recipe import usual_recipe as usual_recipe
from hwprof.models.inputs.stored import Value as Value
