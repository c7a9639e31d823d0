# make demo: see it work.  make test: check everything.  Both need python3 (3.10 or newer, with venv), make and git.
# Packages are fetched once, and again when pyproject.toml has changed; after that nothing here needs a network.

PYTHON ?= python3
VENV ?= .venv
DEMO_FLAGS ?=
PYTEST_FLAGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo test lint bench torture torture-large notebook clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       a sheet of claims through the sandbox, from nothing to plots; leaves demo-output/"
	@echo "make notebook   the quickstart in JupyterLab"
	@echo "make test       linters, type checker, import floors and all tests"
	@echo "make lint       the same without the tests"
	@echo "make test-browser  the notebooks: real kernels of four versions, real pages in Chromium"
	@echo "make bench      one table of ratios against peers in the same run; BENCH_FLAGS=--quick is a glance"
	@echo "make torture    2,000 rows, five seeds, faults on every request and a kill every few seconds"
	@echo "make torture-large  100,000 rows against an Opus in memory, 200 deaths at commits; some ten minutes"
	@echo "make clean      removes what these have made; keeps $(VENV) and your ledgers"
	@echo "                PYTHON=python3.12 chooses the Python, DEMO_FLAGS and PYTEST_FLAGS are passed on"

demo: $(VENV)/.has-demo
	@$(BIN)/opus-nb demo $(DEMO_FLAGS)

notebook: $(VENV)/.has-notebook
	@$(BIN)/python -m jupyterlab notebooks/01-quickstart.ipynb

# Every step is run and reported, whatever became of the ones before it.
STEPS := failed=""; \
	step() { name=$$1; shift; echo "--- $$name"; "$$@" || failed="$$failed $$name"; }; \
	step "ruff-check" $(BIN)/ruff check .; \
	step "ruff-format" $(BIN)/ruff format --check .; \
	step "mypy" $(BIN)/mypy; \
	step "import-floors" $(BIN)/lint-imports
VERDICT := if [ -n "$$failed" ]; then echo "--- failed:$$failed"; exit 1; fi

lint: $(VENV)/.has-test
	@$(STEPS); $(VERDICT)

test: $(VENV)/.has-test
	@$(STEPS); step "pytest" $(BIN)/python -m pytest $(PYTEST_FLAGS); $(VERDICT)

bench: $(VENV)/.has-test
	@$(BIN)/python -m benchmarks $(BENCH_FLAGS)

torture: $(VENV)/.has-test
	@$(BIN)/python -m benchmarks.torture $(TORTURE_FLAGS)

torture-large: $(VENV)/.has-test
	@$(BIN)/python -m benchmarks.torture_inside $(TORTURE_FLAGS)

clean:
	rm -rf demo-output build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "opus_nb needs Python 3.10 or newer. Name one: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.has-demo: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[sandbox]"
	@touch $@

$(VENV)/.has-notebook: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[sandbox]" "jupyterlab>=4.2"
	@touch $@ $(VENV)/.has-demo

$(VENV)/.has-test: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[test]"
	@touch $@ $(VENV)/.has-demo

# Real kernels, then real browsers: one after the other, because both measure how soon a press acts. Needs Chromium
# (apt-get install chromium fonts-dejavu-core) and, once, a network. What fails is tried once more, in the same minute
# and counted as rerun: a browser on a busy machine may miss a second. PICTURES=docs/images keeps the screenshots of the
# documentation.
.PHONY: test-browser
test-browser:
	@python=$$($(PYTHON) tests/browser/environments.py) || exit 1; failed=0; \
	export OPUS_NB_BROWSER_TESTS=1 OPUS_NB_PICTURES=$(PICTURES); \
	for part in tests/kernel tests/browser; do \
		echo "--- $$part"; $$python -m pytest --reruns 1 $(PYTEST_FLAGS) $$part || failed=1; \
	done; \
	exit $$failed
