"""What a model's inputs hold in every run: made up by rule, or given by the caller."""

from hwprof.models.inputs.feed import Value as Value
from hwprof.models.inputs.feed import feed_of as feed_of
from hwprof.models.inputs.feed import random_input as random_input
from hwprof.models.inputs.recipe import Recipe as Recipe
from hwprof.models.inputs.recipe import usual_recipe as usual_recipe
