"""What hwprof raises when the caller can do something about it.

Every message is one sentence that says what is wrong, ending in the next action.
The command line prints the message and nothing else.
"""


class HwprofError(Exception):
    """Base of every error that hwprof raises on purpose."""


class OptionError(HwprofError):
    """An argument or option has a value that cannot be used."""


class ModelError(HwprofError):
    """The model file, or a shape asked of it, cannot be measured."""


class DeviceError(HwprofError):
    """The device is unknown, unavailable, or refuses this model."""


class MeasurementError(HwprofError):
    """The model opened but its measurement could not be completed."""


class TableError(HwprofError):
    """The lookup table, or a file exchanged with it, cannot be read or written."""


def one_line(error: BaseException, length: int = 400) -> str:
    """The first line of an error that says something, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:length].rstrip(" .")
