# Needs make and Python 3.11 to 3.13, nothing else: everything is installed in .venv.
# Another interpreter: make test PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: help env test check lint types docs quickstart synlcd-small

help:
	@echo 'make test          installs the environment where needed and runs all tests'
	@echo 'make check         runs the fast tests alone (two minutes)'
	@echo 'make lint          checks style (ruff) and types (mypy)'
	@echo 'make docs          builds the documentation as a site: build/site/index.html'
	@echo 'make quickstart    inspects a dozen example parts, writes a page (seconds)'
	@echo 'make synlcd-small  generates screens, trains, evaluates, writes a report (minutes)'
	@echo 'make env           creates .venv and installs the project in it, editable'

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

# Two processes: most tests compile, which takes one core. A file's tests share one,
# and files go out in the order of tests/conftest.py.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# For tests whose claims hold for programs of any optimization: these programs compile
# faster and run slower.
UNOPTIMIZED := JAX_DISABLE_MOST_OPTIMIZATIONS=1 \
  XLA_FLAGS='--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1'

test: $(INSTALLED)
	$(UNOPTIMIZED) $(PYTEST) -m unoptimized
	$(PYTEST) -m 'not unoptimized'

check: $(INSTALLED)
	$(UNOPTIMIZED) $(PYTEST) -q -m 'unoptimized and not slow'
	$(PYTEST) -q -m 'not unoptimized and not slow'

docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[docs]'
	$(BIN)/mkdocs build --strict

quickstart: $(INSTALLED)
	$(BIN)/python experiments/quickstart.py

# Data and training that are there are not made again; evaluation and report are.
synlcd-small: $(INSTALLED)
	$(BIN)/python experiments/prepare_data.py --dataset=synlcd/mixed --count=40 \
	  --output_dir=prepared/small
	$(BIN)/python experiments/train.py --flagfile=experiments/flagfiles/synlcd_small.cfg \
	  --workdir=workdirs/synlcd_small
	$(BIN)/python experiments/evaluate.py --workdir=workdirs/synlcd_small \
	  --split='test[:25%]' --batch_size=12
	$(BIN)/python experiments/report.py workdirs/synlcd_small --output_dir=workdirs/synlcd_small/report
	@echo 'A page with tables, curves and pictures: workdirs/synlcd_small/report/report.html'
	@echo 'Curves of the training: $(BIN)/pip install tensorboard;' \
	  '$(BIN)/tensorboard --logdir=workdirs'

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory types

# The packages are laid as they are installed, by links: datasets/ as cadnet_jax.datasets.
types: $(INSTALLED)
	@rm -rf build/types && mkdir -p build/types/cadnet_jax
	@ln -s ../../experiments ../../tests build/types
	@ln -s $(foreach path,$(wildcard cadnet_jax/*) datasets,../../../$(path)) \
	  build/types/cadnet_jax
	cd build/types && ../../$(BIN)/mypy --config-file ../../setup.cfg
