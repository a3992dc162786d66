# What can be done here: `make` alone lists it. Every verb works on a fresh Debian 12 with python3.11 and make.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8501
# An index that has the build of torch you want, as PyTorch's installation page names it: CPU alone (4 GB of disk) or
# a CUDA version. Empty: pip's own index, whose build for Linux brings CUDA's libraries along (8 GB of disk).
TORCH_INDEX ?=
# One file says which requirements are installed: while it is newer than they are, a start installs nothing.
READY := $(VENV)/.handful-requirements
TEST_READY := $(VENV)/.handful-test-requirements
BENCH_READY := $(VENV)/.handful-bench-requirements
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q

.PHONY: help run install test test-tools bench bench-learners bench-peers bench-models bench-records lint demo viewer image-check

help:  ## list what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(READY)  ## start Handful on 127.0.0.1:8501 (make run PORT=8600 for another port)
	@exec $(BIN)/python -m engine serve --port $(PORT)

install: $(READY)  ## make .venv and install what Handful needs, nothing else
	@echo "Installed in $(VENV). Start with: make run"

test: $(TEST_READY)  ## run every test (installs what tests need, Chromium too where it may)
	@$(MAKE) --no-print-directory test-tools
	@$(BIN)/python -m pytest $(ARGS)

test-tools:  ## install Chromium and DICOM tools from Debian, which browser tests and some readers' tests use
	@.ci/test-tools

bench: $(BENCH_READY)  ## print how fast: the viewer, an upload, Adapt, what-ifs, DICOM reading beside SimpleITK
	@for each in viewer upload adapting what_if dicom_reading; do echo "== $$each"; $(BIN)/python -m benchmarks.$$each || exit 1; done

bench-learners: $(BENCH_READY)  ## print how fast the learners are, beside others where make bench-peers put them
	@$(BIN)/python -m benchmarks.learners_speed

bench-peers: $(BENCH_READY)  ## install the libraries that learners are compared with, in .peers (benchmarks/peers.md)
	@$(PIP) --no-deps --upgrade --target .peers -r benchmarks/peers.txt
	@$(BIN)/python -m pip download -q --disable-pip-version-check --no-deps --no-build-isolation --no-binary :all: \
	  --dest .peers learn2learn==0.2.0
	@tar xzf .peers/learn2learn-0.2.0.tar.gz -C .peers --strip-components=1 learn2learn-0.2.0/learn2learn
	@$(BIN)/python -m benchmarks.peers

bench-models: $(BENCH_READY)  ## print how good (hours): learners on their papers' tasks, encoder, finder, maps
	@for each in sinusoid ambiguous omniglot encoder_table finder findings saliency graded calibration; do echo "== $$each"; $(BIN)/python -m benchmarks.$$each || exit 1; done

bench-records: $(BENCH_READY)  ## print how good records' learners are on families that trained nothing (20 minutes)
	@$(BIN)/python -m benchmarks.records_table

lint: $(TEST_READY)  ## check style and formatting
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

demo: $(READY)  ## make the demo project's studies anew from their seeds (assets/demo)
	@$(BIN)/python -m engine phantoms --demo assets/demo

viewer:  ## build the CT viewer's bundle anew from dashboard/viewer/source (needs node and npm)
	@command -v npm >/dev/null || { echo "npm is missing: the viewer ships built; install node and npm to build it anew."; exit 2; }
	@cd dashboard/viewer/source && npm ci --ignore-scripts && npm run build

image-check:  ## build the container with buildah and see it answer (needs buildah and mmdebstrap, as root)
	@.ci/image-check

$(READY): requirements.txt
	@TORCH_INDEX="$(TORCH_INDEX)" .ci/make-venv $(PYTHON) $(VENV)
	@echo "Installing Handful's requirements (some GB, a few minutes the first time) ..."
	@if [ -n "$(TORCH_INDEX)" ]; then $(PIP) --index-url "$(TORCH_INDEX)" "$$(grep '^torch==' requirements.txt)"; fi
	@$(PIP) -r requirements.txt || { echo "Installing failed: see the lines above. A mirror or proxy is set with PIP_INDEX_URL or HTTPS_PROXY."; exit 2; }
	@touch $@

$(TEST_READY): $(READY) tests/requirements.txt
	@$(PIP) -r tests/requirements.txt
	@touch $@

$(BENCH_READY): $(TEST_READY) benchmarks/requirements.txt
	@$(PIP) -r benchmarks/requirements.txt
	@touch $@
