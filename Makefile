# Each target sets up what it needs first. `make` alone lists them.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
MUJOCO := .venv/.mujoco
LAB := .venv/.lab
BENCH := benchmarks/.venv
UV := $(shell sed -n 's/^\(uv==[^ ;\\]*\).*/\1/p' requirements.lock)
PORT ?= 5000

# So that `python` in dvc.yaml is this project's.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help repro test quick slow browser qemu mujoco check format ui lab bench notebook lock clean

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

repro: $(INSTALLED) ## Run the pipeline stages that are out of date, and say what came out
	dvc repro

test: $(INSTALLED) ## Run all tests except those that take minutes each
	pytest --numprocesses 2 -m "not minutes"

quick: $(INSTALLED) ## Run the fast tests, in about a minute
	pytest --numprocesses 2 -m "not slow and not minutes"

slow: $(INSTALLED) ## Run the tests that take minutes each
	pytest --numprocesses 2 --dist worksteal -m minutes

browser: ## Install Chromium, for the tests of web pages
	tests/install chromium chromium chromium-browser google-chrome

qemu: ## Install QEMU, for the tests on emulated processors
	tests/install qemu-user qemu-x86_64

mujoco: $(MUJOCO) ## Install MuJoCo, for its environments

check: $(INSTALLED) ## Check formatting, style and types, and audit the dependencies for known vulnerabilities
	ruff format --check .
	ruff check .
	mypy
	python .ci/audit.py requirements.lock
	python .ci/audit.py environments/mujoco.lock
	python .ci/audit.py notebooks/lab.lock

format: $(INSTALLED) ## Format the code and apply automatic lint fixes
	ruff format .
	ruff check --fix .

ui: $(INSTALLED) ## Serve the MLflow UI for this project's store (PORT=5000)
	python -m pipeline.ui --port $(PORT)

lab: $(LAB) ## Open the notebook in JupyterLab, which is installed for it
	jupyter lab "notebooks/Solving MountainCarContinuous-v0.ipynb"

bench: $(BENCH)/.installed ## Measure speed against other libraries, in a separate environment
	for benchmark in agent_step session to_solved seeds pipeline_runs scale floor calibration animation; do \
		$(BENCH)/bin/python benchmarks/$$benchmark.py || exit 1; done

notebook: $(INSTALLED) ## Rerun the notebook and save its outputs
	python notebooks/execute.py

# With the fewest versions, so that a package is the same for every Python, and with it the results.
COMPILE := uv pip compile --quiet --universal --upgrade --fork-strategy fewest --generate-hashes --no-header \
	--python-version 3.11
lock: $(INSTALLED) ## Update the four locks from pyproject.toml and benchmarks/requirements.in
	$(COMPILE) --group dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --group mujoco --output-file environments/mujoco.lock
	$(COMPILE) --constraint requirements.lock --group lab --output-file notebooks/lab.lock
	$(COMPILE) \
		--constraint requirements.lock --override benchmarks/without-torch.txt \
		--output-file benchmarks/requirements.lock benchmarks/requirements.in

clean: ## Remove the environments and tool caches, but no results
	rm -rf .venv $(BENCH) .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# With bytecode, since a machine may forbid Python to write it, and TensorFlow then takes three times as long to import.
$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check "$(UV)"
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	touch $@

# MuJoCo's lock lies in environments/, on which the stages depend. With --no-config, because `uv pip install` does not
# accept hashes together with the constraint in pyproject.toml.
$(MUJOCO): environments/mujoco.lock
$(LAB): notebooks/lab.lock
$(MUJOCO) $(LAB): $(INSTALLED)
	uv pip install --quiet --no-config --compile-bytecode --no-deps --require-hashes --python $(BIN)/python \
		--requirement $(filter %.lock,$^)
	touch $@

# PyTorch comes first and by pip, so that an index or a folder of wheels in pip's configuration can give its CPU build.
$(BENCH)/.installed: $(INSTALLED) benchmarks/requirements.lock benchmarks/torch.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/torch.txt
	uv pip install --quiet --no-config --compile-bytecode --no-deps --require-hashes --python $(BENCH)/bin/python \
		--requirement requirements.lock --requirement benchmarks/requirements.lock
	uv pip install --quiet --no-deps --no-build-isolation --python $(BENCH)/bin/python --editable .
	touch $@
