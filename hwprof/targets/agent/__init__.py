"""A fresh process per measurement, spoken to in JSON lines on its standard input and output.

`client` is this end; `__main__` is the other, and imports as little as it can.
"""
