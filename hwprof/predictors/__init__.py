"""Predictors: what an architecture will cost on a device, from few measurements or none."""
