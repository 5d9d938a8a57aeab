# `make demo` and `make test` work on a fresh machine: each sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.ready-bench
PLUGIN := examples/hwprof-onnx-reference
PLUGIN_READY := $(VENV)/.ready-plugin

.PHONY: help setup test lint demo bench bench-help clean

help:
	@echo "make demo   measure real models into a table, show, export and compare them"
	@echo "make test   lint, types, import rules and every test"
	@echo "make lint   ruff, mypy and import-linter alone"
	@echo "make bench  every figure that the README quotes (an hour, quiet machine)"
	@echo "make bench-help  HELP's figures, which docs/prediction.md quotes (half an hour more)"

setup: $(READY) $(PLUGIN_READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# A plugin is a package of its own, and is tested as one: installed, not merely importable.
$(PLUGIN_READY): $(READY) $(shell find $(PLUGIN) -name '*.py' -o -name pyproject.toml)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt ./$(PLUGIN)
	touch $@

# PyTorch is only a peer to measure against; nothing in hwprof needs it.
$(BENCH_READY): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint $(PLUGIN_READY)
	$(BIN)/coverage run -m pytest -n 2 --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort=cover

demo: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh

bench: $(BENCH_READY)
	$(BIN)/python scripts/bench_start.py
	$(BIN)/python scripts/bench_contention.py
	$(BIN)/python scripts/bench_additivity.py
	$(BIN)/python scripts/bench_measure.py
	$(BIN)/python scripts/bench_headline.py
	$(BIN)/python scripts/bench_peers.py --rounds 3 --json docs/benchmarks/peers.json
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_prediction.py
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_objective.py
	OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_search.py \
		--json docs/benchmarks/search.json --docs docs/search.md

bench-help: $(BENCH_READY)
	for space in fbnet nasbench201; do OMP_NUM_THREADS=1 $(BIN)/python scripts/bench_help.py \
		--space $$space --json docs/benchmarks/help-$$space.json; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
