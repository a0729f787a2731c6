# Needs make and Python 3.11 to 3.13, nothing else: everything is installed in .venv.
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: help env test lint

help:
	@echo 'make test   installs the environment where needed and runs all tests'
	@echo 'make lint   checks style (ruff) and types (mypy)'
	@echo 'make env    creates .venv and installs the project in it, editable'

env: $(INSTALLED)

# The stamp is the last thing written, so an interrupted installation starts again.
$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  2>/dev/null || { echo "error: Python 3.11 to 3.13 is needed; $(PYTHON):" \
	  "$$($(PYTHON) --version 2>&1). Try: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[dev]'
	@touch $@

test: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
