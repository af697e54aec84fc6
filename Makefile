# `make` lists the targets. What verify-x finds, fix-x repairs where a program can.

GO       ?= go
GOFMT    ?= gofmt
TIMEOUT  ?= 10m
FUZZTIME ?= 30s
OPS      ?= 500000
SHARD    ?= 1/1
FOR      ?= 10m
BENCH    ?= .
PKG      ?= ./...

# Packages tested at once, beside the other modules, and the processors of each. A bubble runs one goroutine at a time, and handing
# it from processor to processor costs a quarter of the time; tests on real servers wait rather than work. So three packages of
# one processor each, and a module, fill two processors.
PARALLEL ?= 3
PROCS    ?= 1

# go-zookeeper 1.0.4 has a data race on a counter of its own, which is harmless
# and cannot be avoided by its users. Only that package goes uninstrumented.
RACE := -race -gcflags=github.com/go-zookeeper/zk=-race=false

# Public nested modules have a go.work, with which the go command does not accept this flag.
ifneq (,$(findstring -mod=mod,$(GOFLAGS)))
export GOFLAGS := $(filter-out -mod=mod,$(GOFLAGS))
endif

# Modules that only make compare and make bench build: etcd's server takes a minute or two to compile, its client half of that.
COMPARED := ./bench/etcd ./bench/suite/peers/etcd

# The race detector would otherwise let every test binary sleep for a second before it exits.
export GORACE ?= atexit_sleep_ms=0

# What make test says to go test. It runs the whole of go vet on the way, which alone would compile everything once more
# without the race detector.
TEST = -vet=all $(RACE) -timeout $(TIMEOUT) -cpu $(PROCS)

# Fails if the output of tests shows one of their passwords.
SECRETS = "$(CURDIR)/scripts/no-secrets"

# What takes longest begins first, so that nothing of it is left when the rest is done.
LONGEST := ./framework ./internal/test/interop ./internal/test/recipes ./cache

# Every other module of the repository, the root first.
MODULES := $(filter-out $(COMPARED),$(sort $(patsubst %/go.mod,%,$(shell find . -name go.mod -not -path '*/testdata/*'))))

# Runs a command in every module, or in those of a list, and stops at the first that fails.
each = @set -e; for module in $(or $(2),$(MODULES)); do (cd "$$module" && set -x && $(1)); done

.DEFAULT_GOAL := help

##@ Tests

.PHONY: test
test: deps verify-fmt ## go vet, and all tests with the race detector, on zktest and on real ZooKeeper
	$(GO) build $(RACE) $$($(GO) list -f '{{if ne .Name "main"}}{{.ImportPath}}{{end}}' ./...)
	@$(MAKE) --no-print-directory -j 2 test-root $(if $(filter ./...,$(PKG)),test-modules)

# The root and the other modules at once; what both need has been compiled.
.PHONY: test-root test-modules
test-root:
	$(SECRETS) $(GO) test $(TEST) -p $(PARALLEL) $(if $(filter ./...,$(PKG)),$(LONGEST)) $(PKG)
test-modules:
	$(call each,$(SECRETS) $(GO) test $(TEST) -p 1 ./...,$(filter-out .,$(MODULES)))

.PHONY: test-short
test-short: ## quick: no race detector, no real ZooKeeper
	$(call each,$(SECRETS) $(GO) test -short -timeout $(TIMEOUT) $(PKG))

.PHONY: chaos
chaos: deps ## every recipe in several processes on three real servers that fail, for FOR (10m); prints a table, and writes it to OUT
	cd internal/test/histories && $(GO) test -run 'TestChaos$$' -timeout 0 -v ./chaos -chaos.for $(FOR) -chaos.seed 0 \
		-chaos.workers 4 -chaos.pace 120ms $(if $(OUT),-chaos.out $(abspath $(OUT)))

.PHONY: conformance
conformance: deps ## zktest beside real ZooKeeper: OPS random requests (500000, in five minutes), every answer compared
	$(GO) test -run 'Conformance|PlaysBeside' -timeout 1h -v ./zktest -beside.ops $(OPS)

.PHONY: mutants
mutants: ## plants one bug after the other and runs the test that must find it; SHARD=2/4 is a part of them
	$(GO) run ./internal/test/mutants -shard $(SHARD)

.PHONY: fuzz
fuzz: ## every fuzz target in turn, FUZZTIME each (30s)
	@GO=$(GO) scripts/fuzz $(FUZZTIME)

# Schedules that make sim plays, the first one, and processes that play them: one for each processor.
SEEDS  ?= 10000
FROM   ?= 1
SHARDS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

.PHONY: sim
sim: ## SEEDS random schedules of all recipes under faults (10000, about 20 a second for each processor), with the table of what met what
	$(GO) test ./internal/test/sim -run '^TestSim$$' -count 1 -v -timeout 0 -sim.shards $(SHARDS) -sim.seeds $(SEEDS) -sim.from $(FROM)

.PHONY: fuzz-one
fuzz-one: ## one of the fuzz targets, which changes with each commit
	@GO=$(GO) scripts/fuzz $(FUZZTIME) one

.PHONY: bench
bench: deps ## docent beside all peers on real servers, into bench/results, in 25 minutes; with BENCHFLAGS, prints the table only
	cd bench/suite && $(GO) run . $(or $(BENCHFLAGS),-out ../results)

.PHONY: bench-quick
bench-quick: deps ## the same in two minutes: in memory, few rounds, small sizes; prints the table only
	cd bench/suite && $(GO) run . -quick $(BENCHFLAGS)

.PHONY: scale
scale: deps ## docent alone with 10,000 waiters, 1,000 clients, 100,000 nodes, 200,000 watches on a real server, in 4 minutes
	cd bench/suite && $(GO) run . -scale $(BENCHFLAGS)

.PHONY: bench-go
bench-go: deps ## Go benchmarks on zktest and on real ZooKeeper, beside go-zookeeper and Curator; BENCH selects
	cd bench && $(GO) test -run '^$$' -bench '$(BENCH)' -timeout 30m .
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime 1x -timeout 15m ./internal/test/interop

.PHONY: compare
compare: deps ## what docs/comparison.md says of etcd, Curator, kazoo and zk.Lock, with the figures
	$(call each,$(GO) vet ./... && $(GO) test $(RACE) -v -timeout $(TIMEOUT) ./...,./bench/etcd)
	$(GO) test $(RACE) -v -timeout $(TIMEOUT) -run 'BlackHole|Reenters|Loses|ComesBack|Beside|CreatedAgain|ReplyToTheCreate|GivenUp' ./internal/test/interop
	$(GO) test $(RACE) -v -timeout $(TIMEOUT) -run 'LockAgain|ConnectionBreaks|ReplyToTheCreate|CreatedAgain|Blackout' ./lock ./cache ./internal/test/sim

.PHONY: cover
cover: deps ## statement coverage of the root module, in coverage.out
	$(GO) test -p $(PARALLEL) -timeout $(TIMEOUT) -coverpkg=./... -coverprofile=coverage.out ./...
	@$(GO) tool cover -func=coverage.out | tail -n 1

.PHONY: quickstart
quickstart: ## the tour of leadership and locks
	$(GO) run ./examples/quickstart

##@ Checks

.PHONY: verify
verify: verify-fmt verify-tidy verify-vet verify-ports verify-lint verify-vuln ## all checks below

.PHONY: fix
fix: fix-fmt fix-tidy fix-lint ## all repairs

.PHONY: verify-fmt
verify-fmt: ## gofmt has nothing to say
	@unformatted=$$($(GOFMT) -l .); \
	if [ -n "$$unformatted" ]; then echo "run make fix-fmt for:" $$unformatted >&2; exit 1; fi

.PHONY: fix-fmt
fix-fmt: ## repairs that
	$(GOFMT) -w .

.PHONY: verify-tidy
verify-tidy: ## go.mod and go.sum are tidy
	@GO=$(GO) scripts/tidy -diff $(MODULES) $(COMPARED)

.PHONY: fix-tidy
fix-tidy: ## repairs that
	@GO=$(GO) scripts/tidy $(MODULES) $(COMPARED)

.PHONY: verify-vet
verify-vet: ## go vet
	$(call each,$(GO) vet ./...)

.PHONY: verify-ports
verify-ports: ## go vet for the systems that the tests do not run on
	$(call each,GOOS=darwin $(GO) vet ./...)
	$(call each,GOOS=windows $(GO) vet ./...)

.PHONY: verify-lint
verify-lint: ## golangci-lint, if it is installed
	@if command -v golangci-lint >/dev/null; then $(MAKE) --no-print-directory lint; \
	else echo "golangci-lint is not installed; .golangci.yml was not looked at"; fi

.PHONY: lint
lint:
	$(call each,golangci-lint run --timeout 20m --config $(CURDIR)/.golangci.yml ./...)

.PHONY: fix-lint
fix-lint: ## repairs what golangci-lint can
	@if command -v golangci-lint >/dev/null; then golangci-lint run --fix ./...; \
	else echo "golangci-lint is not installed; nothing repaired"; fi

.PHONY: verify-vuln
verify-vuln: ## govulncheck, if it is installed
	@if command -v govulncheck >/dev/null; then $(MAKE) --no-print-directory vuln; \
	else echo "govulncheck is not installed; nothing was looked up"; fi

.PHONY: vuln
vuln:
	$(call each,govulncheck ./...)

##@ Release

.PHONY: outside
outside: ## go get of every public module and the programs of the pages, from an empty module, as a user has them
	cd internal/release && $(GO) run . outside

.PHONY: release
release: ## checks whether VERSION (v0.2.0) is ready to be released; see docs/versioning.md
	@scripts/release $(VERSION)

##@ Machine

.PHONY: deps
deps: ## installs ZooKeeper, Java, Curator, kazoo, Chromium, etcd and a KDC if they are missing and apt may
	@scripts/install-zookeeper --interop --browser --etcd --kerberos

.PHONY: help
help:
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
