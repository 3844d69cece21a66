# make demo | test | lint | setup | clean; each sets the clone up first if needed (.ci/setup, < 1 s when nothing is to do)
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# pytest: processes (0: in this one) and further arguments, e.g. make test JOBS=2 PYTEST_ARGS="-k guard"
JOBS ?= 2
PYTEST_ARGS ?=

.PHONY: demo test lint setup clean

demo: setup
	@$(BIN)/python runner.py demo $(ARGS)

test: setup
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

lint: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy --strict
	@$(BIN)/lint-imports

setup:
	@$(PYTHON) .ci/setup

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
