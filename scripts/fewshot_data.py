"""The published measurements, and how they are split into known and new devices.

Protocols and device lists are those of HELP (Lee et al., NeurIPS 2021) and NASFLAT (Akhauri &
Abdelfattah, 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.predictors import pools
from hwprof.predictors.pool import DevicePool

BATCH = {"nasbench201": 256, "fbnet": 64}
POOLED = {"nasbench201": 900, "fbnet": 4000}
QUERIED = 1000
CPUS_PHONES = ["silver_4114", "silver_4210r", "samsung_a50", "pixel3", "essential_ph_1"]
TEST = {
    "nasbench201": ["titan_rtx_256", "gold_6226", "fpga", "pixel2", "raspi4", "eyeriss"],
    "fbnet": ["fpga", "raspi4", "eyeriss"],
}
# Architectures of the pool that the FBNet tasks allow per train device.
TASK_POOLED = 800

GPUS = [f"{name}_{b}" for name in ("1080ti", "2080ti", "titan_rtx", "titanx", "titanxp")
        for b in (1, 32, 64)]  # fmt: skip
TASKS = {
    "F1": (
        ["2080ti_1", "essential_ph_1", "silver_4114", "titan_rtx_1", "titan_rtx_32"],
        ["eyeriss", "fpga", "raspi4", "samsung_a50", "samsung_s7"],
    ),
    "F2": (
        ["essential_ph_1", "gold_6226", "gold_6240", "pixel3", "raspi4"],
        ["1080ti_1", "1080ti_32", "2080ti_32", "titan_rtx_1", "titanxp_1"],
    ),
    "F3": (
        ["essential_ph_1", "pixel2", "pixel3", "raspi4", "samsung_s7"],
        ["1080ti_1", "1080ti_32", "2080ti_1", "titan_rtx_1", "titan_rtx_32"],
    ),
    "index 4": (
        ["1080ti_64", "2080ti_1", "eyeriss", "gold_6226", "gold_6240", "raspi4", "samsung_s7",
         "silver_4210r", "titan_rtx_1", "titan_rtx_32"],
        ["1080ti_1", "pixel2", "essential_ph_1"],
    ),
    "index 5": (GPUS, ["gold_6226", "essential_ph_1", "samsung_s7", "pixel2"]),
}  # fmt: skip


@dataclass(frozen=True)
class Data:
    """One space's table: features, seconds `[n, devices]`, and how many rows make the pool."""

    space: str
    features: np.ndarray
    latency_s: np.ndarray
    devices: list[str]
    names: list[str]

    def of(self, device: str) -> np.ndarray:
        return self.latency_s[:, self.devices.index(device)]

    def pool(self, devices: list[str], rows: np.ndarray) -> DevicePool:
        columns = [self.devices.index(device) for device in devices]
        latency = np.full((len(self.features), len(devices)), np.nan)
        latency[rows] = self.latency_s[np.ix_(rows, columns)]
        return DevicePool(self.features, latency, devices, self.names)


HARD = {
    "GPUs to edge": (
        [*(f"1080ti_{b}" for b in (1, 32, 256)), *(f"titanx_{b}" for b in (1, 32, 256))],
        ["raspi4", "pixel2", "fpga", "eyeriss"],
    ),
    "phones and CPUs to GPUs": (
        [*CPUS_PHONES, "samsung_s7", "gold_6240"],
        ["titan_rtx_1", "titan_rtx_32", "titan_rtx_256", "2080ti_1", "2080ti_256"],
    ),
}


def load(folder: Path | None, space: str) -> Data:
    if folder is None:
        pool = pools.load(space)
        assert pool.names is not None
        return Data(space, pool.features, pool.latency_s, list(pool.devices), list(pool.names))
    import pyarrow.parquet as parquet

    table = parquet.read_table(folder / f"{space}.parquet")
    devices = [name for name in table.column_names if name != "arch"]
    latency = np.stack([table[name].to_numpy() for name in devices], axis=1)
    archs = table["arch"].to_pylist()
    features = spaces.get(space).encode(archs)
    return Data(space, features, latency.astype(np.float64) * 1e-3, devices, archs)


def train_devices(space: str) -> list[str]:
    gpus = [f"1080ti_{batch}" for batch in (1, 32, BATCH[space])]
    return [*gpus, *CPUS_PHONES, "samsung_s7"]


def validation_devices(space: str) -> list[str]:
    return [*(f"titanx_{batch}" for batch in (1, 32, BATCH[space])), "gold_6240"]


def folds(space: str) -> dict[str, tuple[list[str], list[str]]]:
    """Splits without a test device: train to validation, and each family of train devices left out.

    Every choice about the few-shot model was made on these.
    """
    train = train_devices(space)
    families = [
        [device for device in train if device.startswith("1080ti")],
        [device for device in train if device.startswith("silver")],
        ["samsung_a50", "essential_ph_1", "samsung_s7"],
        ["pixel3"],
    ]
    found = {"validation": (train, validation_devices(space))}
    for family in families:
        rest = [device for device in train if device not in family]
        found[f"without {family[0]}"] = (rest, family)
    return found


def families(devices: list[str]) -> dict[str, tuple[list[str], list[str]]]:
    """The shipped pool without each family of makers in turn, which are the new devices then."""
    cpus, phones = ("silver", "gold"), ("samsung", "pixel", "essential")
    family = {
        "no GPU": [d for d in devices if d.startswith(("1080ti", "2080ti", "titan"))],
        "no server CPU": [d for d in devices if d.startswith(cpus)],
        "no phone": [d for d in devices if d.startswith(phones)],
        "no Raspberry Pi": ["raspi4"],
        "no accelerator": ["eyeriss", "fpga"],
    }
    return {name: ([d for d in devices if d not in new], new) for name, new in family.items()}


def middle(space: str, truth: np.ndarray) -> np.ndarray:
    """Rows that the official protocol queries: the middle 80 % by the target's own latency."""
    rows = POOLED[space] + np.arange(QUERIED)
    return rows[np.argsort(truth[rows], kind="stable")[QUERIED // 10 : -QUERIED // 10]]
