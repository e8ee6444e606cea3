# `make run` is all a person needs; what it has done once it does not do again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TRIAL := models/trial/config.json
BENCHES := message_path links crash months fuzz load privacy memory engine vectors quality adapter startup participation gpu
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:

# Slow lines: pip's own 15 s end many a download.
export PIP_DEFAULT_TIMEOUT ?= 60
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Test files at once, each in a process: it takes up to 4 GB, and the models in it one core.
WORKERS ?= 2

# On a terminal pip shows its progress; in a log its thousand lines would hide ours.
QUIET := $(shell test -t 2 || echo --quiet)
# An environment whose making was interrupted, or that another tool made, may lack pip.
INSTALL = $(BIN)/python -c 'import pip' 2>/dev/null || $(BIN)/python -m ensurepip >/dev/null; \
	$(BIN)/python -m pip install $(QUIET) -c constraints.txt

.PHONY: run test check audit bench docs clean

run: $(VENV)/.installed
	@if [ ! -f $(TRIAL) ] && grep -Eq '^ *path *= *"models/trial"' config.toml; then $(BIN)/onebot-bot fetch trial; fi
	@exec $(BIN)/onebot-bot run

test: $(VENV)/.installed-dev $(TRIAL)
	@echo "==> Tests"
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "==> mypy --strict (the first time takes a minute)"
	@$(BIN)/mypy
	@echo "==> docs"
	@$(BIN)/python -m docs.generate --check
	@$(BIN)/python -m bench.tables --check

# Needs the network, so neither `check` nor CI does it.
audit: $(VENV)/.installed-dev
	@$(INSTALL) -e '.[audit]'
	@echo "==> pip-audit: known holes in what constraints.txt pins"
	@told=$$($(BIN)/python -m pip_audit --strict --progress-spinner off -r constraints.txt --no-deps --disable-pip 2>&1) \
	  && failed=0 || failed=1; echo "$$told" | tail -n 40; \
	if [ $$failed = 1 ] && grep -Eqi 'could not be audited|connection|max retries|resolve|timed out|proxy|service error' <<<"$$told"; then \
	  echo "Nothing was checked: the list of known holes cannot be reached from here. Run it again with a network." >&2; \
	fi; exit $$failed

bench: $(VENV)/.installed-bench $(TRIAL)
	@for name in $(BENCHES); do echo "==> $$name"; $(BIN)/python -m "bench.$$name"; done

docs: $(VENV)/.installed
	@$(BIN)/python -m docs.generate

# What a person made or downloaded stays: config.toml, models/, memory_store/, training/, logs/.
clean:
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find onebot_bot tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Removed $(VENV) and the caches; models, memories and settings are kept."

# --- set-up ----------------------------------------------------------------------------------------------

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "==> Installing into $(VENV): some 200 MB with a CPU's torch, minutes on a slow line"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "==> Installing into $(VENV), with the tools for tests: minutes on a slow line"
	@$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: pyproject.toml constraints.txt | $(BIN)/python
	@echo "==> Installing into $(VENV), with what the benchmarks compare against"
	@$(INSTALL) -e '.[bench]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is not there. Install Python 3.11 or newer, or name it: make run PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$($(PYTHON) --version) is too old: Python 3.11 or newer is needed. Name one: make run PYTHON=python3.12" >&2; exit 1; }
	@echo "==> Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  rm -rf $(VENV); echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

$(TRIAL): | $(VENV)/.installed
	@$(BIN)/onebot-bot fetch trial
