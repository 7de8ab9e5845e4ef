# make demo    set up, then compose a take and show how closely it follows the request
# make test    set up, check style and types, then run the offline tests
# make check   style and types alone
# make format  put code and notebooks into shape
# make clean   remove what the above left behind, but for the environment; make distclean removes that too
#
# Needed beforehand: Python 3.11 or 3.12 with headers and venv, gcc, make.  All else goes into .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
EXTRAS := dev,app,madmom,ray
# What commands import most of.  Without its bytecode torch alone takes a second longer to start, wherever Python may
# not write beside its sources; all that is installed would be half a gigabyte.
COMPILED := torch torchaudio numpy scipy sympy mpmath yaml safetensors tokenizers einops encodec librosa \
    numba lightning torchmetrics hydra omegaconf matplotlib

# Workers of pytest, each on one thread: two of them are quicker than one with two.
WORKERS ?= 2

# Some wheels are hundreds of megabytes.
export UV_HTTP_TIMEOUT ?= 600

.PHONY: help setup demo test check format clean distclean

help:
	@sed -n 's/^# \{0,1\}//p;/^$$/q' Makefile

setup: $(READY)

# Redone only when what is to be installed changes.  A .venv whose Python does not run (a moved or copied checkout,
# a removed interpreter) is made anew.
$(READY): pyproject.toml constraints.txt
	@command -v gcc >/dev/null || { echo "gcc is needed to build madmom; install it first" >&2; exit 1; }
	@if ! $(BIN)/python -c 'import sys; assert sys.prefix == "$(CURDIR)/$(VENV)"' 2>/dev/null; then \
	    python=$$(.ci/find-python); \
	    echo "setting up $(VENV) with $$python"; \
	    "$$python" -m venv --clear $(VENV); \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --python $(BIN)/python --constraints constraints.txt --editable '.[$(EXTRAS)]'
	@cd "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" && \
	    "$(CURDIR)/$(BIN)/python" -m compileall -q -j $(WORKERS) $(COMPILED) "$(CURDIR)/flowmusic" "$(CURDIR)/feature_extractors" || \
	    echo "some modules could not be byte-compiled: commands start later, and work" >&2
	@touch $@

demo: $(READY)
	@mkdir -p demo
	$(BIN)/flowmusic generate "warm lo-fi beat with electric piano" --chords "C Am F G" --bpm 90 --seed 7 --out demo/take.wav
	$(BIN)/flowmusic extract demo/take.wav --out demo/take.controls
	@echo
	@$(BIN)/python -c 'import json; kept = json.load(open("demo/take.json"))["adherence"]; kept.pop("bars", None); print("adherence:", json.dumps(kept))'
	@ls demo/take.wav demo/take.controls/controls.png

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Gradio writes stubs beside components as it imports them, which mypy would read instead of the modules.
check: $(READY)
	@rm -f flowmusic/page/*.pyi
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy flowmusic feature_extractors tools tests $(wildcard benchmarks/*.py)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist demo .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
