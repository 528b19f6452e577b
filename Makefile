# make run: install and start the dashboard.  make test: lint, types and all tests.
# make bench: how fast everything is, in one table (8 to 15 minutes; close other programs first).
# PYTHON=/path/to/python3.12 chooses another interpreter; ADDRESS and PORT where the dashboard listens.

VENV := .venv
BIN := $(VENV)/bin
ADDRESS ?= 127.0.0.1
PORT ?= 8501
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3 python; do \
	if $$p -c '$(FITS)' 2>/dev/null; then echo $$p; break; fi; done)

.PHONY: run test check format bench clean
.DEFAULT_GOAL := run

run: $(VENV)/.installed
	$(BIN)/streamlit run app.py --server.address $(ADDRESS) --server.port $(PORT)

test: $(VENV)/.installed-test $(VENV)/.browser check
	$(BIN)/python -m pytest -m "not browser" --numprocesses logical --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest -m browser --numprocesses 2 --maxschedchunk 1  # each process has a server

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-bench $(VENV)/.browser
	$(BIN)/python -m benchmarks

$(BIN)/python:
	@$(PYTHON) -c '$(FITS)' 2>/dev/null || { echo "This needs Python 3.11, 3.12 or 3.13 (3.14 brings a standard \
	library package named 'compression', which ours would hide). Install one and run: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[test]"
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[test,bench]"
	@touch $@ $(VENV)/.installed $(VENV)/.installed-test

# Browser tests use an installed Chromium or Chrome, else one we may install; without any they are skipped.
$(VENV)/.browser: $(VENV)/.installed-test
	@if command -v chromium || command -v chromium-browser || command -v google-chrome; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium; \
	else $(BIN)/playwright install chromium || echo "No Chromium found or installed: browser tests will be skipped."; fi
	@touch $@

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache
