"""Temporary files of a worker: `hwprof.scratch`, under the name that devices know it by."""

from __future__ import annotations

from hwprof.scratch import VARIABLE as VARIABLE
from hwprof.scratch import ScratchFolder as ScratchFolder
from hwprof.scratch import scratch_folder as scratch_folder
