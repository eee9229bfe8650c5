# Everything that a developer does. Needs Python 3.11 or newer with pip and venv, make and git; the rest is installed
# into .venv. For example: make serve LISTEN=127.0.0.1:8080 DATA=/tmp/registry; make test TESTS=tests/unit ARGS=-x

PYTHON ?= python3
LISTEN ?= 127.0.0.1:5000
DATA ?= ./data
TESTS ?= tests
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
PACKAGES = $$(sed 's/\#.*//' tests/packages.txt)

.PHONY: help serve test test-full lint format bench torture clean

help:
	@echo "make serve      serve on $(LISTEN) with the data in $(DATA)"
	@echo "make test       install what the tests need, run the quick ones"
	@echo "make test-full  all tests; what the machine lacks is a failure"
	@echo "make lint       style, types, import directions"
	@echo "make format     put the style right"
	@echo "make bench      measure against Debian's docker-registry, and how fast it looks inside"
	@echo "make torture    kill, cut, fill and confuse it for 20 minutes"
	@echo "make clean      remove .venv and caches; not the data"

serve: .venv/installed
	@exec $(BIN)/orlop serve --listen "$(LISTEN)" --data "$(DATA)"

test: .venv/test
	@sh tests/debian.sh $(PACKAGES)
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

test-full: .venv/test
	@sh tests/debian.sh $(PACKAGES)
	$(BIN)/python -m pytest --full $(TESTS) $(ARGS)

lint: .venv/lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/lint
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: .venv/test
	@sh tests/debian.sh docker-registry wrk
	$(BIN)/python -m tests.bench $(ARGS)
	$(BIN)/python -m tests.bench.inside

torture: .venv/test
	@sh tests/debian.sh $(PACKAGES) docker-registry
	$(BIN)/python -m tests.torture $(ARGS)

clean:
	rm -rf .venv build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis src/orlop.egg-info

# The stamps below keep a second run quick: each is newer than what it was made from.

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing Orlop into .venv"
	@$(PIP) --editable .
	@touch $@

.venv/test: pyproject.toml .venv/installed
	@echo "Installing what the tests need into .venv"
	@$(PIP) --editable ".[test]"
	@touch $@

.venv/lint: pyproject.toml .venv/installed
	@echo "Installing what lint needs into .venv"
	@$(PIP) --editable ".[lint,test]"
	@touch $@

# The first Python that is new enough; a virtual environment that is half made is removed again.
.venv/bin/python:
	@for python in "$(PYTHON)" python3.14 python3.13 python3.12 python3.11; do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making .venv with $$("$$python" --version)"; \
	        "$$python" -m venv .venv && exit 0; \
	        rm -rf .venv; \
	        echo "$$python cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)" >&2; \
	        exit 1; \
	    fi; \
	done; \
	echo "No Python 3.11 or newer found: install one, or name it: make PYTHON=/path/to/python3.11" >&2; \
	exit 1
