"""The command line: it translates arguments into one library call, prints, and sets the exit code.

Nothing but typer is imported before a command runs, so that `hwprof --help` answers at once.
"""

from hwprof.cli.app import main

__all__ = ["main"]
