# Set-up, demo and tests; each target does all of its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CONSTRAINTS := .constraints.txt

.PHONY: demo test test-all chaos docs clean

demo: $(STAMP)  ## train, evaluate and register the digits model
	$(BIN)/plumbline run digits

PYTEST := $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(STAMP)  ## every test that is not marked slow, with the checks of style, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow"

test-all: $(STAMP)  ## every test; 40 minutes on two cores
	$(PYTEST)

chaos: $(STAMP)  ## kill trainings, writers and senders at random, in 200 runs and more; compare with the undisturbed
	$(BIN)/python -m tests.chaos.kill --runs 200
	$(BIN)/python -m tests.chaos.stages --runs 8
	$(BIN)/python -m tests.chaos.ship --kills 200

docs: $(STAMP)  ## what is generated from the code
	$(BIN)/plumbline schema --markdown > docs/recipe.md
	$(BIN)/python docs/files.py
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/diagnosis.py

$(STAMP): pyproject.toml $(CONSTRAINTS)
	@if command -v uv > /dev/null; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint $(CONSTRAINTS) --editable . --group dev; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' && \
		$(BIN)/python -m pip install --quiet --constraint $(CONSTRAINTS) --editable . --group dev; \
	fi
	@touch $@

clean:  ## the environment and the caches; runs and models stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
