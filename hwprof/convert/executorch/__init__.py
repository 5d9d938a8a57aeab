"""Models lowered to ExecuTorch programs, and what these will execute.

Nothing is imported here: `lower` needs torch and executorch.
"""
