"""Search spaces of neural architecture search."""
