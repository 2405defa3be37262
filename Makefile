# Set-up, the main job, tests. `make help` lists the targets. Needs Python 3.11-3.13 and make, nothing else.
.DEFAULT_GOAL := help
SHELL := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
DEV    := $(VENV)/.set-up-dev
JOBS   ?= 2
DATA   ?=
SCALE  ?=
BENCH  ?=
PYTHON ?=

export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := true
export DVC_NO_ANALYTICS := true

PYTEST := $(BIN)/python -m pytest

.PHONY: help study setup test lint format ui dashboard docs bench clean test-thorough test-slow test-soak test-browser test-postgres test-slurm soak same

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='|' read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

study: $(STAMP)  ## set up, run the whole pipeline, write reports/ [DATA=digits] [SCALE=smoke|desk|full]
	@$(BIN)/python tools/study.py --data "$(DATA)" --scale "$(SCALE)"

setup: $(STAMP)  ## the virtual environment and the locked packages (once; the other targets call it)

# The stamp is written last, so that a set-up that was cut off is done again. Four pips unpack the lock's packages side by
# side, those that share files (mlflow's) in one; a last one adds what torch takes on other machines (CUDA's libraries).
# Byte code is made by all cores together, where pip would use one, but for what nothing here imports; some packages hold
# templates that are no Python, which it leaves. Last, torch's C++ headers are read once for all that is compiled later.
$(STAMP): requirements.lock pyproject.toml
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then break; fi; python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "error: no Python 3.11, 3.12 or 3.13 found; install one, or name it: make PYTHON=/path/to/python3.12 <target>" >&2; exit 2; \
	fi; \
	echo "set-up: $$($$python --version) in $(VENV) (once; some minutes)"; \
	$$python -m venv $(VENV)
	@{ grep '^mlflow' requirements.lock | xargs; grep -v '^#\|^mlflow' requirements.lock | xargs -n 24; } \
	    | xargs -L 1 -P 4 $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c requirements.lock "$$(grep '^torch==' requirements.lock)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/python -m compileall -qq -j 0 -x '/(tests|databricks|pip)/' $(VENV)/lib src || :
	@$(BIN)/python -m regimens.training.engines.cpp
	@touch $@

$(DEV): $(STAMP) requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c requirements.lock -r requirements-dev.lock
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib || :
	@touch $@

test: $(DEV)  ## every test that needs neither minutes nor other services (under 5 minutes)
	$(PYTEST) -n $(JOBS)

lint: $(DEV)  ## ruff (rules, format) and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV)  ## rewrite the sources as `make lint` wants them
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-thorough: $(DEV)  ## the tests that run whole commands (a quarter of an hour)
	$(PYTEST) -m "thorough and not (slow or soak or postgres or slurm or browser)" -n $(JOBS)

test-slow: $(DEV)  ## the tests that take longer
	$(PYTEST) -m slow --timeout=1200

soak: test-soak  ## kill and resume studies for minutes

test-soak: $(DEV)
	$(PYTEST) -m soak --timeout=3600

test-browser: $(DEV)  ## the report, MLflow's and Optuna's pages in headless Chromium (which Debian's package installs where it is missing)
	@command -v chromedriver >/dev/null || { \
	    sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    $$sudo apt-get update -qq && $$sudo apt-get install -y -qq chromium chromium-driver; \
	} || { echo "error: chromedriver is missing: install Chromium and its driver" >&2; exit 2; }
	$(PYTEST) -m browser

test-postgres: $(DEV)  ## studies shared through PostgreSQL
	@sh tests/cluster/install.sh "/usr/lib/postgresql/*/bin/postgres" postgresql
	$(PYTEST) -m postgres --timeout=1800

test-slurm: $(DEV)  ## studies on a SLURM cluster
	@sh tests/cluster/install.sh /usr/sbin/slurmctld slurm-wlm munge
	$(PYTEST) -m slurm --timeout=1800

same: $(STAMP)  ## forty studies of a technique against itself: how often are they wrong? (10 minutes)
	@$(BIN)/python tools/same.py

bench: $(STAMP)  ## the speed comparisons in benchmarks/ [BENCH="--parts one_trial --cases sgd --contestants eager raw"]
	@$(BIN)/python benchmarks/run.py $(BENCH)

ui: $(STAMP)  ## MLflow's pages over mlflow.db, on 127.0.0.1:5000 [PORT=5001]
	@$(BIN)/python tools/pages.py mlflow $(if $(PORT),--port $(PORT))

dashboard: $(STAMP)  ## Optuna's pages over all studies, or one, on 127.0.0.1:8080 [JOURNAL=runs/...] [PORT=8081]
	@$(BIN)/python tools/pages.py optuna --journal "$(JOURNAL)" $(if $(PORT),--port $(PORT))

docs: $(DEV)  ## these pages as a site with search and the Python reference: build/docs/index.html
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs
	@echo build/docs/index.html

clean:  ## remove build/ and the tools' caches (keeps $(VENV), data/, runs/ and results/)
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
