#!/usr/bin/env bash
# The main job, on the models that two packages bundle: measure, show, export, compare.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HWPROF_LUT="$work/demo.db"

models=$(python -c "import onnx, pathlib; print(pathlib.Path(onnx.__file__).parent / 'backend/test/data/light')")
magika=$(python -c "import importlib.util as u, pathlib; print(next(pathlib.Path(u.find_spec('magika').origin).parent.glob('models/*/model.onnx')))")

say() { printf '\n$ %s\n' "$*"; "$@"; }

say hwprof doctor
say hwprof devices
say hwprof measure "$models/light_squeezenet.onnx" "$models/light_resnet50.onnx"
say hwprof measure "$magika" --batch 1
say hwprof measure "$models/light_squeezenet.onnx" --threads 2 --no-per-op
say hwprof lut show
say hwprof lut export -o "$work/demo.parquet"
say hwprof lut import "$work/demo.parquet" --lut "$work/copy.db"
say hwprof compare light_resnet50 light_squeezenet

# One model on several runtimes in turns; then every runtime checked on three models.
say hwprof measure "$models/light_squeezenet.onnx" --no-per-op --budget 2 \
    --device onnxruntime-cpu --device openvino-cpu --device litert-cpu --device mnn-cpu
say python "$(dirname "$0")/check_backends.py"

# A device that no predictor has seen: ten of its measurements give all 15,625 cells of a search space.
say python scripts/demo_unseen_device.py

# The same on this very machine: ten architectures are built and measured, forty others check.
say python scripts/demo_new_device.py

# And the search that all of it is for.
say hwprof select --space nasbench201 -k 3
say python "$(dirname "$0")/../examples/pymoo_search.py"
