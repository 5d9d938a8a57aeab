# `make demo` and `make test` work on a fresh machine: each sets up what it needs first.
# The scripts import ONNX Runtime themselves, which would report to its vendor (docs/privacy.md).
export ORT_DISABLE_TELEMETRY ?= 1
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.ready-bench
PLUGIN := examples/hwprof-onnx-reference
PLUGIN_READY := $(VENV)/.ready-plugin
DEMO_VENV := .venv-demo
DEMO_READY := $(DEMO_VENV)/.ready
CORE_VENV := .venv-core
CORE_READY := $(CORE_VENV)/.ready
PIP_INSTALL := bin/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help setup demo test test-core lint check-backends check-cases check-kills pictures bench bench-help bench-adversarial bench-scale fuzz clean

help:
	@echo "make demo            the main job in three minutes: measure, keep, predict, search"
	@echo "make test-core       tests of the core, with no runtime but ONNX Runtime: a first hour"
	@echo "make test            lint, types, import rules and every test, with every runtime"
	@echo "make lint            ruff, mypy and import-linter alone"
	@echo "make check-backends  every runtime on three models: outputs, kernels, sums"
	@echo "make check-cases     models after users' reports, and onnx's node tests: is every figure right?"
	@echo "make check-kills     campaigns killed 240 times: is anything lost or left behind? (an hour)"
	@echo "make bench           every figure that the docs quote (an hour, quiet machine)"
	@echo "make bench-help      HELP's figures, which docs/prediction.md quotes (half an hour more)"
	@echo "make bench-adversarial  hard cases for every predictor (docs/adversarial.md; half an hour)"
	@echo "make bench-scale     few-shot prediction on a million architectures (two minutes, 4 GB)"
	@echo "make pictures        draw the pictures of the docs again"
	@echo "make fuzz            ten minutes of changed inputs for every reader of received files (hours)"

setup: $(READY) $(PLUGIN_READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/$(PIP_INSTALL) -e '.[dev]'
	touch $@

# A plugin is a package of its own, and is tested as one: installed, not merely importable.
$(PLUGIN_READY): $(READY) $(shell find $(PLUGIN) -name '*.py' -o -name pyproject.toml)
	$(VENV)/$(PIP_INSTALL) ./$(PLUGIN)
	touch $@

# PyTorch is only a peer to measure against; nothing in hwprof needs it.
$(BENCH_READY): $(READY)
	$(VENV)/$(PIP_INSTALL) -e '.[dev,bench]'
	touch $@

# What a newcomer gets: the core and prediction.
$(DEMO_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEMO_VENV)
	$(DEMO_VENV)/$(PIP_INSTALL) -e '.[predict]'
	touch $@

$(CORE_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(CORE_VENV)
	$(CORE_VENV)/$(PIP_INSTALL) -e '.[dev-core]'
	touch $@

demo: $(DEMO_READY)
	PATH="$(CURDIR)/$(DEMO_VENV)/bin:$$PATH" bash scripts/demo.sh

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint $(PLUGIN_READY)
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort=cover

test-core: $(CORE_READY)
	$(CORE_VENV)/bin/ruff check .
	$(CORE_VENV)/bin/python -m pytest --core -n 2 --dist worksteal tests

check-backends: $(READY)
	$(BIN)/python scripts/check_backends.py

check-cases: $(READY)
	$(BIN)/python scripts/check_cases.py
	$(BIN)/python scripts/check_node_tests.py

check-kills: $(READY)
	$(BIN)/python scripts/check_kills.py

pictures: $(READY)
	$(BIN)/python scripts/draw_pictures.py

bench: $(BENCH_READY)
	$(BIN)/python scripts/bench_start.py
	$(BIN)/python scripts/bench_contention.py
	$(BIN)/python scripts/bench_additivity.py
	$(BIN)/python scripts/bench_measure.py
	$(BIN)/python scripts/bench_headline.py
	$(BIN)/python scripts/bench_peers.py --rounds 3 --json docs/benchmarks/peers.json
	$(BIN)/python scripts/demo_new_device.py
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_prediction.py
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_objective.py
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_search.py \
		--json docs/benchmarks/search.json --docs docs/search.md

bench-help: $(BENCH_READY)
	for space in fbnet nasbench201; do OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_help.py \
		--space $$space --json docs/benchmarks/help-$$space.json; done

bench-adversarial: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_adversarial.py

bench-scale: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_scale.py --json docs/benchmarks/scale.json

fuzz: $(READY)
	$(BIN)/python scripts/fuzz_readers.py --seconds 600 --json fuzz-findings.json

clean:
	rm -rf $(VENV) $(DEMO_VENV) $(CORE_VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
