"""Objectives as the search libraries take them: one file per library."""
