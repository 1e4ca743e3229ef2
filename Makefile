# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
IMAGE_TRIED := $(VENV)/.image-tried
IMAGE_SOURCES := sandbox/languages.py $(wildcard sandbox/images/*.py sandbox/images/*.txt \
	sandbox/images/Dockerfile sandbox/inside/*.py sandbox/inside/*.c sandbox/inside/*.js)
PROTOS := $(wildcard proto/llm_crowdsourced/v1/*.proto)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) $(IMAGE_TRIED) ## Make .venv, and the image where Docker answers (seconds the second time)

# Hashes in the lock file hold every package to what was tested.
$(READY): requirements.lock pyproject.toml .ci/make-venv
	@PYTHON="$(PYTHON)" VENV="$(VENV)" .ci/make-venv
	@touch $@

# Once for each change of its sources: where it cannot be built, all that needs no Docker
# goes on without a word from then on.
$(IMAGE_TRIED): $(READY) $(IMAGE_SOURCES)
	@$(BIN)/python -m sandbox.images --optional
	@touch $@

.PHONY: sandbox-image
sandbox-image: $(READY) ## Build the image in which programs run, unless it is there
	@$(BIN)/python -m sandbox.images

.PHONY: run-math
run-math: setup ## Play a mathematics league on small local models, no key needed
	@$(BIN)/python client/play.py client/leagues/math.toml

.PHONY: run-programming
run-programming: setup ## Play a programming league on them; their programs run in Docker
	@$(BIN)/python client/play.py client/leagues/programming-local.toml

.PHONY: serve
serve: setup ## Serve on 127.0.0.1:50051 until Ctrl-C
	@$(BIN)/python -m server

.PHONY: report
report: setup ## Write the report of a run: make report RUN=math-1a2b3c4d
	@$(BIN)/python client/report.py --run-id "$(or $(RUN),$(error name a run, as in: make report RUN=math-1a2b3c4d))"

.PHONY: models
models: setup ## Fetch the small local models ahead of the first run
	@$(BIN)/python -m server.models.local fetch

.PHONY: proto
proto: setup ## Generate the stubs of the contract
	@$(BIN)/buf format -w proto --path proto/llm_crowdsourced
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto \
		--python_out=proto --mypy_out=quiet:proto $(PROTOS) proto/buf/validate/validate.proto
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto \
		--grpc_python_out=proto --mypy_grpc_out=quiet:proto $(filter %_service.proto,$(PROTOS))

.PHONY: format
format: setup ## Format the code
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix-only .

.PHONY: lint
lint: setup ## Check style, imports between folders, and the contract
	@$(BIN)/ruff format --check -q .
	@$(BIN)/ruff check -q .
	@$(BIN)/lint-imports
	@$(BIN)/buf lint proto
	@$(BIN)/buf format -d --exit-code proto --path proto/llm_crowdsourced

.PHONY: type
type: setup ## Check types
	@$(BIN)/mypy

.PHONY: drift
drift: proto ## Check that the stubs in the tree are those of the contract
	@git diff --exit-code --stat -- proto || { echo "run make proto and commit the stubs"; exit 1; }

.PHONY: check
check: lint type drift ## All checks but the tests

.PHONY: test
test: setup ## Run the tests
	@$(BIN)/python -m pytest -q

.PHONY: league-test
league-test: setup ## Play the full local league as a test (minutes; fetches 1.7 GB once)
	@LLM_CROWDSOURCED_LEAGUE_TEST=1 $(BIN)/python -m pytest -q tests/client/test_local_league.py

.PHONY: crash-test
crash-test: setup ## Kill the server 50 times at random moments of a run (minutes)
	@LLM_CROWDSOURCED_CRASH_KILLS=50 $(BIN)/python -m pytest -q -s --show-capture=no \
		tests/server/play/test_kills.py

.PHONY: bench
bench: setup ## Measure, and print medians and ratios
	@$(BIN)/python -m tests.bench
