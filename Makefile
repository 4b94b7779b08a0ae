# Everything starts from Python 3.11 or newer and make: each target makes .venv when it is not there.

PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types imports docs drift bench clean

help:  ## Print the targets.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24" "setuptools>=77"
	$(BIN)/python -m pip install --quiet -c constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev]"
	@touch $@

install: .venv/installed  ## Make .venv with pinned dependencies.

demo: install  ## Make a small study from beginning to end (under 5 minutes on 2 cores).
	$(BIN)/mlv demo $(DEMO)

test: install  ## Run the tests, on up to four cores.
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

lint: install  ## Check style.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## Check types.
	$(BIN)/mypy -p mlv.schema -p mlv.migrations -p mlv.ingest -p mlv.compute -p mlv.queries -p mlv.cli
	$(BIN)/mypy docs bench tests

imports: install  ## Check the direction of imports.
	$(BIN)/lint-imports

docs: install  ## Write the generated reference pages.
	$(BIN)/python docs/generate.py

drift: install  ## Check that the generated reference pages are up to date.
	$(BIN)/python docs/generate.py --check

bench: install  ## Measure speed and memory, as ratios within one run.
	$(BIN)/python bench/run.py

clean:  ## Remove what the targets made.
	rm -rf .venv demo build *.egg-info
