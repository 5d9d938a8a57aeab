"""The far end of a stream: opens models on the machine it runs on, and says what that machine is.

`python -m hwprof.targets.agent` serves its standard input and output. It imports as little as it
can, so that it starts fast and runs where little is installed.
"""
