# Everything starts from Python 3.11 or newer and make: each target makes .venv when it is not there.

PYTHON ?= python3
BIN := .venv/bin
DEMO ?= demo
ROOMS := schema migrations ingest compute queries cli

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types imports docs drift wheel wheel-demo bench clean

help:  ## Print the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24" "setuptools>=77"
	$(BIN)/python -m pip install --quiet -c constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,lora,mlflow,slurm,spss,wandb]"
	@touch $@

install: .venv/installed  ## Make .venv with pinned dependencies.

demo: install  ## Make a small study from beginning to end (under 5 minutes on 2 cores).
	$(BIN)/mlv demo $(DEMO)

# In the order of the folders: the commands' files, which take longest, are not left for the end. The processes that
# tests start find mlv compiled, also where the environment says that Python is to write no bytecode.
test: install  ## Run the tests, on up to four cores.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: install  ## Check style.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install  ## Check types.
	$(BIN)/mypy $(ROOMS:%=-p mlv.%)
	$(BIN)/mypy docs bench tests

imports: install  ## Check the direction of imports.
	$(BIN)/lint-imports

docs: install  ## Write the generated reference pages.
	$(BIN)/python docs/generate.py

drift: install  ## Check that the generated reference pages are up to date.
	$(BIN)/python docs/generate.py --check

# A file that only lies in the checkout, or only in the wheel, is an error.
wheel: install  ## Build the wheel in dist/, and check that it has every file of the packages.
	@rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@git ls-files $(ROOMS) | sed 's,^,mlv/,' | LC_ALL=C sort >dist/tracked
	@$(BIN)/python -m zipfile --list dist/*.whl | awk '$$1 ~ "^mlv/" {print $$1}' | LC_ALL=C sort >dist/packed
	@diff dist/tracked dist/packed || \
	  { echo "The wheel differs from the tracked files: see tool.setuptools in pyproject.toml."; exit 1; }

# The environment has the dependencies of .venv, but neither its editable install nor a way back to this folder.
wheel-demo: wheel  ## Make the small study from the wheel, outside this folder.
	folder=$$(mktemp -d) && \
	$(BIN)/python -m venv --without-pip $$folder/venv && \
	$(BIN)/python -m pip --python $$folder/venv install --quiet --no-deps dist/*.whl && \
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >$$(echo $$folder/venv/lib/*/site-packages)/shared.pth && \
	cd $$folder && venv/bin/mlv demo && rm -rf $$folder

bench: install  ## Measure speed and memory, as ratios within one run.
	$(BIN)/python bench/run.py

clean:  ## Remove what the targets made.
	rm -rf .venv demo build dist .dev/*.egg-info
