# make run     set everything up and list the objects in two sample videos
# make test    run the tests          make check   format, lint, types, import contracts
# make bench   print the benchmarks   make format  mend format and lint   make clean  remove what the others made
#
# Needs Python 3.11 or newer and make, nothing else. Another Python: make run PYTHON=/path/to/python3.12

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
MEDIA := workflows/media
VIDEOS ?= $(MEDIA)/cat.mp4,$(MEDIA)/person.mp4

.DEFAULT_GOAL := help
.PHONY: help run test check format bench clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

run: $(VENV)/.ready-run
	@$(BIN)/murakkab run workflows/video_understanding.yaml -i videos=$(VIDEOS)

test: $(VENV)/.ready-dev
	@$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.ready-dev
	@echo '-- format' && $(BIN)/ruff format --check .
	@echo '-- lint' && $(BIN)/ruff check .
	@echo '-- types (mypy)' && $(BIN)/mypy && $(BIN)/mypy benchmarks
	@echo '-- types (basedpyright)' && $(BIN)/basedpyright
	@echo '-- import contracts' && $(BIN)/lint-imports

format: $(VENV)/.ready-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.ready-dev
	@$(BIN)/python -m benchmarks.run_all $(ARGS)

clean:
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------------------------------------ environment
# A stamp says that a set-up is complete; touching pyproject.toml makes it stale.

OLD = import sys; sys.exit(sys.version_info < (3, 11))

$(VENV)/.made:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3.14; do \
	  if "$$python" -c '$(OLD)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "error: Murakkab needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo 'not here')" >&2; \
	  echo "hint: install a newer one, or point to it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	echo "-- making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv $(VENV) || { \
	  echo "hint: on Debian and Ubuntu the module venv is a package of its own: apt install python3-venv" >&2; exit 1; }
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.ready-run: pyproject.toml | $(VENV)/.made
	@echo '-- installing murakkab with the extras video and audio (once; a minute or two)'
	@$(PIP) install --editable '.[video,audio]'
	@touch $@

$(VENV)/.ready-dev: pyproject.toml | $(VENV)/.made
	@echo '-- installing murakkab with the development tools (once; a minute or two)'
	@$(PIP) install --editable '.[video,audio]' --group dev
	@touch $@ $(VENV)/.ready-run
