"""What every GPU backend needs: the driver's facts, event timing, memory and its shortage.

Nothing is imported here: `hwprof.machine.gpu.state` belongs to the record of every measurement.
"""
