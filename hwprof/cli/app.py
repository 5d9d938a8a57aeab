"""The command tree and the one place where errors become a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from hwprof.cli import (
    compare,
    completion,
    devices,
    endings,
    example,
    lut,
    measure,
    pool,
    predict,
    search,
    streams,
)
from hwprof.cli.options import examples
from hwprof.cli.printing import complain, say
from hwprof.errors import HwprofError, OptionError
from hwprof.telemetry import opt_out
from hwprof.version import __version__

FAILED = 1
USAGE = 2

app = typer.Typer(
    # Plain help: rich, which the other markups need, is not imported for it.
    rich_markup_mode=None,
    # An exception that nobody foresaw is a bug, and its whole traceback is wanted.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"hwprof, version {__version__}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog=examples("hwprof example", "hwprof measure example.onnx", "hwprof lut show"),
)
def hwprof(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> int:
    """What a neural network costs on a piece of hardware.

    Start with `hwprof measure model.onnx`, then `hwprof lut show`.
    """
    if context.invoked_subcommand is None:
        say(context.get_help())
        return USAGE
    return 0


for command, shown in (
    (measure.measure, measure.EXAMPLES),
    (example.example, example.EXAMPLES),
    (devices.devices, devices.DEVICES_EXAMPLES),
    (devices.doctor, devices.DOCTOR_EXAMPLES),
    (compare.compare, compare.EXAMPLES),
    (predict.select, predict.SELECT_EXAMPLES),
    (predict.adapt, predict.ADAPT_EXAMPLES),
    (predict.predict, predict.PREDICT_EXAMPLES),
    (search.search, search.EXAMPLES),
):
    app.command(epilog=shown)(command)
app.add_typer(lut.app, name="lut")
app.add_typer(pool.app, name="pool")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

    3 and 4 are a gate's: worse, and cannot tell (hwprof.cli.gates).
    """
    raise SystemExit(run_whole(arguments))


def run_whole(arguments: list[str] | None = None) -> int:
    """As `run`, with standard streams that cannot fail half-way, and the word that they did."""
    output = streams.prepare()
    return _ended(run(arguments), output)


def run(arguments: list[str] | None = None) -> int:
    """As `main`, giving back the exit code."""
    if completion.asked():
        return completion.answer(app)
    # Whatever a command may import is quiet: plugins, too.
    opt_out()
    try:
        code = app(arguments, prog_name="hwprof", standalone_mode=False)
    except typer.TyperException as error:
        complain(error.format_message())
        return error.exit_code
    except OptionError as error:
        complain(str(error))
        return USAGE
    except HwprofError as error:
        complain(str(error))
        return FAILED
    except (typer.Abort, KeyboardInterrupt):
        code = endings.INTERRUPTED
    except BrokenPipeError:
        return _reader_gone()
    except SystemExit as ending:
        # typer ends by itself after installing completion, and when the reader went away.
        if isinstance(ending.__context__, BrokenPipeError):
            return _reader_gone()
        code = ending.code
    if code == endings.INTERRUPTED:
        # Also what typer makes of Ctrl-C.
        code = endings.code()
        with suppress(OSError):  # the terminal may be gone, which HUP says
            complain(endings.sentence())
    return code if isinstance(code, int) else 0


def _ended(code: int, output: streams.Guard | None) -> int:
    """The exit code, once everything that was printed is out: Python would not say what is not."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    if output is None or output.failure is None:
        return code
    complain(streams.sentence(output.failure))
    return code or FAILED


def _reader_gone() -> int:
    # The reader went away (| head): not our error, and Python must not complain at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return FAILED
