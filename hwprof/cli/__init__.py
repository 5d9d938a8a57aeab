"""The command line: it translates arguments into one library call, prints, and sets the exit code.

Nothing but typer is imported before a command runs, so that `hwprof --help` answers at once. Not
even that is before signals are listened to: Ctrl-C while it is imported is no fault.
"""

from hwprof.cli import endings

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit, as `hwprof.cli.app.main` does; the program's entry point.

    Ctrl-C, TERM and HUP end it in one sentence, with 130, 143 or 129.
    """
    endings.listen()
    try:
        from hwprof.cli.app import run_whole

        code = run_whole(arguments)
        endings.finished()
    except KeyboardInterrupt:
        endings.leave()
    raise SystemExit(code)
