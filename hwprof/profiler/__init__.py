"""Measuring: plan, stopping rule, campaign, comparison."""
