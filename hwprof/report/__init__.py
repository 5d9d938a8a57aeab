"""Measurements, comparisons and tables as text for people and as JSON documents."""
