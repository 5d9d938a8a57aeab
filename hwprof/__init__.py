"""hwprof: what a neural network costs on a piece of hardware."""

__version__ = "0.1.0"
