"""Model files: opening them, deciding their shapes, making up inputs; their graphs."""
