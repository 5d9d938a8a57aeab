"""NVIDIA GPUs as part of the machine: the driver's facts, NVML's state.

Nothing is imported here: `hwprof.machine.gpu.state` belongs to the record of every measurement.
"""
