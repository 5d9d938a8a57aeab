"""The peers, each in a fresh process: `python peers.py {loop,torch} MODEL CPU`.

loop    warm up, then `InferenceSession.run` until the order-statistic 95 % interval of the plain
        median is within 1 %, 30 runs at least: what a careful script of one's own would do.
torch   `torch.utils.benchmark.Timer.adaptive_autorange()` and its median, as it comes.

Both keep to the processor CPU with one thread, as hwprof does in the same benchmark.
"""

from __future__ import annotations

import json
import os
import sys
import time

# As hwprof has in the same benchmark.
BUDGET_S = 5.0


def main() -> None:
    kind, path, cpu = sys.argv[1:4]
    os.sched_setaffinity(0, {int(cpu)})
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {
        i.name: np.random.default_rng(0).random(i.shape, dtype=np.float32)
        for i in session.get_inputs()
    }
    for _ in range(3):
        session.run(None, feed)
    if kind == "torch":
        from torch.utils import benchmark

        timer = benchmark.Timer(
            "session.run(None, feed)", globals={"session": session, "feed": feed}
        )
        done = timer.adaptive_autorange()
        print(json.dumps({"median_s": done.median, "runs": len(done.times)}))
        return
    times: list[float] = []
    spent = 0.0
    while spent < BUDGET_S:
        for _ in range(5):
            start = time.perf_counter()
            session.run(None, feed)
            times.append(time.perf_counter() - start)
        spent = sum(times)
        ordered = np.sort(times)
        n = len(times)
        half = 1.96 * n**0.5 / 2
        low, high = int(max(0, n / 2 - half)), int(min(n - 1, n / 2 + half))
        if n >= 30 and (ordered[high] - ordered[low]) / 2 <= 0.01 * np.median(times):
            break
    print(json.dumps({"median_s": float(np.median(times)), "runs": len(times)}))


if __name__ == "__main__":
    main()
