"""The command tree and the one place where errors become a sentence and an exit code."""

from __future__ import annotations

import os
import sys

import click

from hwprof.cli.compare import compare
from hwprof.cli.complaint import complain
from hwprof.cli.devices import devices, doctor
from hwprof.cli.lut import lut
from hwprof.cli.measure import measure
from hwprof.cli.predict import adapt, predict, select
from hwprof.errors import HwprofError, OptionError
from hwprof.version import __version__

INTERRUPTED = 130
FAILED = 1
USAGE = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hwprof")
def cli() -> None:
    """What a neural network costs on a piece of hardware.

    Start with `hwprof measure model.onnx`, then `hwprof lut show`.
    """


for command in (measure, lut, devices, doctor, compare, select, adapt, predict):
    cli.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """As `main`, giving back the exit code."""
    try:
        code = cli.main(args=arguments, prog_name="hwprof", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return error.exit_code
    except OptionError as error:
        complain(str(error))
        return USAGE
    except HwprofError as error:
        complain(str(error))
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted; what was measured before is saved")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (| head): not our error, and Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    return code if isinstance(code, int) else 0
