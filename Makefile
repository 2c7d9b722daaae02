# `make help` lists the targets. Prerequisites: cargo (Rust 1.95) and python3; nothing else.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# What env/demo.toml reads and writes.
DEMO := .demo
DEMO_QUERY := SELECT date, count(*) AS bills FROM hospital.bills GROUP BY date ORDER BY date DESC LIMIT 7

# The binary of the dev profile, built when nobody names another one: `make demo-data LAKEFOLD=path/to/lakefold`.
ifeq ($(origin LAKEFOLD),undefined)
LAKEFOLD := $(TARGET)/debug/lakefold
BUILT := build
endif

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: demo-data ## A day at the demo hospital: source, fold, query, report
	$(LAKEFOLD) run --env demo
	$(LAKEFOLD) query --env demo -e '$(DEMO_QUERY)'
	@echo "The report mail: $$(ls -t $(DEMO)/mail/*.eml | head -n 1)"
	@echo "The lake:        $(DEMO)/lake"
	@echo "Run it again: the source moves on by a day, and only the change is folded."

.PHONY: demo-data
demo-data: $(BUILT) ## Write the source that env/demo.toml reads, or add a day to it; LAKEFOLD=path/to/binary builds nothing
	@if [[ -f $(DEMO)/source/dump.json ]]; then set -- --advance 1; else set --; fi; \
	set -x; $(LAKEFOLD) synth --out $(DEMO)/source "$$@"

.PHONY: build
build: ## Build with the dev profile, which runs what happens per row optimised (the first time takes minutes)
	@echo "Building with the dev profile; 'make release' builds the one for production."
	$(CARGO) build --locked

.PHONY: release
release: ## Build for production: target/release/lakefold
	$(CARGO) build --locked --release

.PHONY: test
test: test-servers ## Install the test servers, run every test
	$(CARGO) test --locked

.PHONY: test-servers
test-servers: ## Install mongod, the S3 stand-ins, a Chromium and other readers of Parquet into .tools/ (mongod is under the SSPL)
	@tools/install-test-servers

# Each part ends by itself or is ended, and says what it covered.
SOAK_MINUTES ?= 60
SOAKING = timeout $$(( $(SOAK_MINUTES) + 15 ))m env LAKEFOLD_SOAK=1 LAKEFOLD_SOAK_SECONDS=$$(( $(SOAK_MINUTES) * 60 ))
SOAKED = $(CARGO) test --locked --test it -- --nocapture

.PHONY: soak
soak: test-servers ## The long versions: SEQUENCES=5000 histories, FUZZ_SECONDS=600, kills, faults, limits; SOAK_MINUTES=60 each
	LAKEFOLD_ORACLE_SEQUENCES=$(or $(SEQUENCES),5000) $(SOAKING) $(SOAKED) oracle::
	LAKEFOLD_FUZZ_SECONDS=$(or $(FUZZ_SECONDS),600) LAKEFOLD_SPLITS=200 $(SOAKING) $(SOAKED) fuzz:: torture::sequences
	@echo "Kills: 200 by the clock, and at every point in every scenario that meets it, three times; 50 pairs of runs."
	LAKEFOLD_KILL_TIMES=8 LAKEFOLD_PAIRS=50 $(SOAKING) $(SOAKED) kill:: killed_at_each_point:: two_at_once::
	$(SOAKING) $(SOAKED) store_faults::
	$(SOAKING) $(SOAKED) limits:: --test-threads 1
	LAKEFOLD_HAMMER_RUNS=100 $(SOAKING) $(SOAKED) clocks::writers

# Times are of the production build, unless somebody names a binary.
BENCHED = $(if $(BUILT),$(TARGET)/release/lakefold,$(LAKEFOLD))
DRAIN = $(dir $(BENCHED))drain

.PHONY: bench
bench: ## Measure against what one would use instead, write BENCH.md: SCALE=0.1 (1: hours) RUNS=5 ONLY=full,idle,...
	$(if $(BUILT),$(CARGO) build --locked --release --features drain)
	SCALE='$(SCALE)' RUNS='$(RUNS)' ONLY='$(ONLY)' python3 tools/bench $(BENCHED) $(DRAIN)

.PHONY: conformance
conformance: test-servers ## object_store's own expectations against the S3 servers of the tests (docs/store-conformance.md)
	@tools/conformance

.PHONY: lint
lint: ## rustfmt and clippy, warnings denied, and an audit of the dependencies
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt" >&2; exit 1; }
	@$(CARGO) clippy --version >/dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy" >&2; exit 1; }
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@tools/audit-dependencies

.PHONY: fmt
fmt: ## Format the code
	$(CARGO) fmt --all
