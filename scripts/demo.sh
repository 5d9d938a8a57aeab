#!/usr/bin/env bash
# The main job, command by command: measure a model into a table, show and share it, predict a device
# that was never measured, adapt to this very machine, search. It shows and judges nothing: on a busy
# machine the figures say that they are contended.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset HWPROF_LUT

say() { printf '\n$ %s\n' "$*"; "$@"; }

# A machine with something to mend is still worth a demo.
say hwprof doctor || true

# Measure a model into a table, show it, hand it on.
say hwprof example
say hwprof measure example.onnx --budget 3
say hwprof lut show
say hwprof lut export -o latencies.jsonl
say hwprof lut import latencies.jsonl --lut theirs.db

# A Raspberry Pi 4 that no predictor has seen: ten of its published latencies give all 15,625 cells.
say python "$here/scripts/demo_unseen_device.py"

# The same for this machine: ten architectures are built and measured, all others predicted.
say hwprof measure --space nasbench201 --select 10 --no-per-op --budget 0.5 --lut here.db
say hwprof adapt --space nasbench201 --measurements here.db --any-speed -o here.device
say hwprof predict --predictor here.device --all --top 3

# And the search that all of it is for.
say python "$here/examples/evolution.py" here.device

python - <<'PYTHON'
import hwprof

with hwprof.Table.open("here.db") as table:
    found = list(table.measurements())
busy = sum(any(w.code.value == "contended" for w in m.warnings) for m in found)
if busy:
    print(
        f"\nThis machine was busy: {busy} of {len(found)} architectures were measured beside other "
        "programs, which their rows say. What was learned from them is about as wrong as they are."
    )
PYTHON
