"""What can run a model, and where."""
