"""The lookup table: measurements kept in one file, and exchanged with others."""

from hwprof.lut.entries import Calibration, KernelRecord
from hwprof.lut.exchange import ImportReport, export, import_file
from hwprof.lut.table import Table

__all__ = ["Calibration", "ImportReport", "KernelRecord", "Table", "export", "import_file"]
