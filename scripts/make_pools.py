"""Write the shipped pools from the published Parquet files: `make_pools.py DATA_FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from hwprof import spaces
from hwprof.predictors import pools

SOURCE = (
    "HELP (Lee et al., NeurIPS 2021; HayeonLee/HELP, MIT), including HW-NAS-Bench "
    "(Li et al., ICLR 2021, MIT)"
)


def main() -> None:
    data = Path(sys.argv[1])
    target = Path(pools.__file__).parent
    for name in ("nasbench201", "fbnet"):
        table = pq.read_table(data / f"{name}.parquet")
        devices = [column for column in table.column_names if column != "arch"]
        archs = table["arch"].to_pylist()
        latency_ms = np.stack([table[device].to_numpy() for device in devices], axis=1)
        if latency_ms.dtype != np.float32:
            raise SystemExit(f"{name}: expected 32-bit milliseconds, found {latency_ms.dtype}")
        operations = spaces.get(name).indices(archs).astype(np.uint8)
        header = {
            "format": pools.FORMAT,
            "version": str(pools.VERSION),
            "space": name,
            "unit": "ms",
            "source": SOURCE,
            "licence": "MIT, see NOTICE",
            "devices": json.dumps(devices),
        }
        save_file(
            {"operations": operations, "latency_ms": np.ascontiguousarray(latency_ms)},
            target / f"{name}.safetensors",
            metadata=header,
        )
        size = (target / f"{name}.safetensors").stat().st_size
        print(f"{name}: {len(archs)} architectures x {len(devices)} devices, {size} bytes")


if __name__ == "__main__":
    main()
