# Berth: `make up` to try it, `make test` to prove it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export BERTH_ROOT := $(CURDIR)

.PHONY: help up down build test test-unit test-soak test-tsan sim check fmt docs bench clean setup

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: build ## build, start the daemon, create a workspace, print the agent's reply and the URL
	@.build/release/berth up --project "$(CURDIR)"

down: ## stop the daemon and an engine that `make up` started; containers and state stay
	@if [ -x .build/release/berth ]; then .build/release/berth down --project "$(CURDIR)"; else echo "nothing was built here, so nothing runs"; fi

build: ## release build into .build/release/
	@scripts/setup.sh build
	@scripts/build.sh release

test: ## the gate, then every test: installs what is missing, starts what the tests need
	@scripts/test.sh all

test-unit: ## tests that need neither an engine nor a database server
	@scripts/test.sh unit

test-soak: ## the long rounds: every crash point many times
	@scripts/test.sh soak

test-tsan: ## unit tests under the thread sanitizer
	@scripts/test.sh tsan

sim: ## simulate: make sim SEED=n STEPS=m (a fresh seed, and a million steps, when not given)
	@scripts/setup.sh build
	@scripts/simulate.sh $(if $(SEED),--seed $(SEED)) --steps $(or $(STEPS),1000000)

check: ## lint, imports, size budget, docs without warnings; fails if it changed a file
	@scripts/setup.sh build
	@scripts/check.sh

fmt: ## format every Swift file
	@swift format -i -r -p Sources Tests Package.swift

docs: ## build the API reference into .build/docs
	@scripts/docs.sh

bench: ## measure and print the ratios of docs/benchmarks.md
	@scripts/setup.sh build engine bench
	@bench/run.sh

clean: ## remove build output; state and containers stay
	@rm -rf .build
