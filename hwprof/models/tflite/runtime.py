"""Importing LiteRT, whose schema reads its files, or saying why it cannot be."""

from __future__ import annotations

from types import ModuleType

from hwprof.errors import DeviceError, one_line

INSTALL = "pip install 'hwprof[litert]'"
PACKAGE = "ai_edge_litert"


def import_runtime() -> ModuleType:
    """LiteRT's interpreter module. Raises DeviceError with the reason it is not usable."""
    try:
        from ai_edge_litert import interpreter
    except ModuleNotFoundError as error:
        if error.name == PACKAGE:
            raise DeviceError(
                f"ai-edge-litert is not installed; install it with {INSTALL}"
            ) from error
        raise _broken(error) from error
    except Exception as error:  # a missing shared library, an old NumPy: each fails its own way
        raise _broken(error) from error
    module: ModuleType = interpreter
    return module


def _broken(error: Exception) -> DeviceError:
    return DeviceError(
        f"ai-edge-litert is installed but does not import ({one_line(error)}); "
        "reinstall it with pip install --force-reinstall ai-edge-litert"
    )
