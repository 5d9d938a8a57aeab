"""What `check_cases.py` checks, one module for each sort of case."""
