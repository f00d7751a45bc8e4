# Every command of the project. `make` alone lists them; CI runs the same ones.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# The first of these that is Python 3.11 or newer makes the environment.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
READY := .venv/.ready
WORKERS ?= auto
SEED ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed (set PYTHON=...)" >&2; exit 1; }
	@echo "making .venv with $$($(PYTHON) --version) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

setup: $(READY) ## make .venv from requirements.lock and install the package in it

reproduce: $(READY) ## analyse the built-in synthetic trial and write results/
	$(BIN)/cpi-analysis reproduce --out results --seed $(SEED)

test: $(READY) ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS)

test-slow: $(READY) ## run the recovery and coverage studies (minutes)
	$(BIN)/python -m pytest -n $(WORKERS) -m slow

check: $(READY) ## style, types, layers, and whether generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m cpi_analysis.io.dictionary --check
	$(BIN)/python tools/error_page.py --check
	$(BIN)/python tools/pair_notebooks.py --check

format: $(READY) ## put the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(READY) ## write the generated files anew: dictionary, error codes, notebooks
	$(BIN)/python -m cpi_analysis.io.dictionary --write
	$(BIN)/python tools/error_page.py --write
	$(BIN)/python tools/pair_notebooks.py --write

lock: $(READY) ## resolve requirements.lock anew (exact versions and hashes, no addresses)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	  --extra dev --python-version 3.11 pyproject.toml --output-file requirements.lock $(LOCK_OPTIONS)

test-matrix: $(READY) ## run the tests on the other Pythons of this machine and on the oldest dependencies
	tools/test_matrix.sh

wheel: $(READY) ## build the wheel, install it alone in a new environment and run it
	tools/try_wheel.sh

bench: $(READY) ## print the speed of the package as ratios against its peers
	$(BIN)/python -m benchmarks

clean: ## remove what the commands made
	rm -rf .venv .venv-* results build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.PHONY: help setup reproduce test test-slow check format generate lock test-matrix wheel bench clean
