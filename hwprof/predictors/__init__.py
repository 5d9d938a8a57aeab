"""Predictors of latency for what was not measured."""
