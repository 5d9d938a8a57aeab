"""Small models after those that users reported figures of: each is one instance of a kind.

`reports.py` lists those whose cost depends on what their inputs hold, with the right inputs; the
other modules build models for one kind each. The tests and `scripts/check_cases.py` share them.
"""
