"""What hwprof raises when the caller can do something about it.

Every message is one sentence that says what is wrong, ending in the next action.
The command line prints the message and nothing else. It exits with 2 for an `OptionError`, which is
about what the caller wrote, and with 1 for the others, which are about what failed; an error that
is both has a class of its own here.
"""


class HwprofError(Exception):
    """Base of every error that hwprof raises on purpose."""

    def __str__(self) -> str:
        """The message. Names from files stand in it, and a traceback is printed as it is."""
        text = super().__str__()
        return text if text.isprintable() else visible(" ".join(text.splitlines()))


class OptionError(HwprofError):
    """An argument or option has a value that cannot be used."""


class ModelError(HwprofError):
    """The model file, or a shape asked of it, cannot be measured."""


class DeviceError(HwprofError):
    """The device is unknown, unavailable, or refuses this model."""


class MeasurementError(HwprofError):
    """The model opened but its measurement could not be completed."""


class DeadlineError(MeasurementError):
    """A worker gave no answer for so long that it was ended."""


class TableError(HwprofError):
    """The lookup table, or a file exchanged with it, cannot be read or written."""


class WrongModel(ModelError, OptionError):
    """The file that is named for a model is not there, or is of another kind."""


class WrongDevice(DeviceError, OptionError):
    """No device has the name that is asked for."""


class WrongTable(TableError, OptionError):
    """What is named for a table or an exchanged file is not there, or is of another kind.

    So is what is asked of a table by an id or a name that it does not hold.
    """


def wrong(kind: type[HwprofError]) -> type[HwprofError]:
    """The class for what the caller wrote among errors of `kind`."""
    known: dict[type[HwprofError], type[HwprofError]] = {
        ModelError: WrongModel,
        DeviceError: WrongDevice,
        TableError: WrongTable,
    }
    return known.get(kind, kind)


class UnsavedError(TableError):
    """The table could not take a result, which comes with the error: it exists nowhere else."""

    def __init__(self, reason: TableError, result: object) -> None:
        super().__init__(str(reason))
        self.result = result
        """What was measured: a `Measurement`, or the `Comparison` of two."""


def one_line(error: BaseException, length: int = 400) -> str:
    """The first line of an error that says something, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:length].rstrip(" .")


def visible(text: str) -> str:
    """`text` with every character that does not print as an escape, such as `\\x1b`.

    Line breaks and tabs are among them. What prints stays as it is, in any script.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def told(error: Exception) -> str:
    """What is kept of an error that ended one measurement, in one sentence.

    One that nobody foresaw is a fault of hwprof, and says where it came from.
    """
    if isinstance(error, HwprofError):
        return str(error)
    kind, said, where = type(error).__name__, one_line(error), _where(error)
    what = kind if said == kind else f"{kind} ({said})"
    if isinstance(error, MemoryError):
        return f"memory ran out in {where}; close other programs, or use a machine with more memory"
    return f"{what} in {where}: this is a fault of hwprof; report it with this sentence"


def _where(error: BaseException) -> str:
    """The last place in hwprof that an error went through, or else its very first."""
    trace, found = error.__traceback__, ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] == "hwprof" or not found:
            found = f"{module}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return found or "hwprof"
