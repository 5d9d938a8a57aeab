"""Predicted costs of distributions over architectures, exactly: what gradients go through.

`relax` turns predictors into sums and products of what each position chooses, whose expectation
under independent choices is a sum and product of expectations.
"""

from hwprof.search.relaxed.making import relax
from hwprof.search.relaxed.terms import Products, Relaxed, Tables
from hwprof.search.relaxed.usage import Usage

__all__ = ["Products", "Relaxed", "Tables", "Usage", "relax"]
