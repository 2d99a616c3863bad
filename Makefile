# Everything a developer or a machine runs. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
GO ?= go
UI := internal/web/ui
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help
help: ## list the targets
	@awk 'BEGIN{FS=":.*## "} /^[a-z0-9-]+:.*## /{printf "  %-16s %s\n",$$1,$$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/haldane
	$(GO) build -trimpath -ldflags "-s -w -X github.com/haldane-dev/haldane/internal/cli.version=$(VERSION)" -o bin/haldane ./cmd/haldane

.PHONY: demo
demo: ## roll out a real model on this machine (SCENARIO=good|wrong|slow|errors|drift)
	$(GO) run ./cmd/haldane demo $(if $(SCENARIO),--scenario $(SCENARIO))

.PHONY: test
test: test-go test-browser ## all tests; minutes, no root

.PHONY: test-go
test-go: ## the Go tests, those of the separate modules too
	$(GO) test -timeout 20m $$($(GO) list ./... | grep -v /test/demo)
	$(GO) test -timeout 20m -count=1 ./test/demo # alone: its models are compared by their latency
	cd examples/churn/convert && $(GO) test ./...
	cd test/argocd && $(GO) test ./...
	cd test/openfeature && $(GO) test ./...

.PHONY: test-browser
test-browser: ## the dashboard in a real Chromium
	scripts/browser-tests

.PHONY: race
race: ## the Go tests under the race detector, the slow simulations shortened
	$(GO) test -race -short -timeout 30m ./...

.PHONY: lint
lint: ## formatting, vet, staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not formatted (gofmt -w):"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	@for d in test/cluster test/e2e test/e2e/install test/openfeature; do echo "go vet $$d"; (cd $$d && $(GO) vet ./...) || exit 1; done # modules of their own

.PHONY: generate
generate: ui crd ## rebuild everything that is generated and committed

.PHONY: crd
crd: ## rebuild the custom resource definitions
	$(GO) tool controller-gen object paths=./api/...
	rm -f deploy/crd/haldane.dev_*.yaml
	$(GO) tool controller-gen crd:allowDangerousTypes=true paths=./api/... output:crd:dir=deploy/crd
	$(GO) run ./scripts/crd deploy/crd
	rm -f deploy/chart/crds/*.yaml
	cp deploy/crd/haldane.dev_*.yaml deploy/chart/crds/

.PHONY: ui
ui: $(UI)/node_modules/.ready ## rebuild the dashboard's bundle
	npm --prefix $(UI) run build

$(UI)/node_modules/.ready: $(UI)/package-lock.json
	npm --prefix $(UI) ci --no-audit --no-fund
	touch $@

.PHONY: verify
verify: generate ## fail if generated files or go.mod are not what their sources make
	@if [ -n "$$(git status --porcelain -- internal/web/dist deploy/crd deploy/chart/crds api/v1alpha1/zz_generated.deepcopy.go)" ]; then git --no-pager diff --stat -- internal/web/dist deploy/crd deploy/chart/crds api/v1alpha1/zz_generated.deepcopy.go; echo "generated files are not what their sources make: commit the result of make generate"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) mod verify

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s) each
	scripts/fuzz $(or $(FUZZTIME),10s)

.PHONY: bench
bench: ## Go benchmarks of decide, observe, mirror and verdict, with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./internal/traffic ./internal/telemetry ./internal/inference ./internal/predictionid ./internal/gateway ./internal/analysis ./internal/stats

.PHONY: bench-gateway
bench-gateway: ## CPU per request beside ReverseProxy, nginx and HAProxy (needs nginx, haproxy, wrk)
	$(GO) run ./test/bench/gateway $(BENCHFLAGS)

.PHONY: bench-judge
bench-judge: ## Haldane's decisions beside Flagger's, Argo Rollouts', Kayenta's and others'; rewrites docs/benchmarks.md (minutes)
	$(GO) run ./test/bench/judge -commit "$$(git rev-parse --short HEAD)" -docs docs $(BENCHFLAGS)

.PHONY: bench-record
bench-record: ## memory and time of haldane judge on records of 1 GB (minutes)
	$(GO) run ./test/bench/record $(BENCHFLAGS)

.PHONY: bench-controller
bench-controller: cluster-build ## what haldane controller costs with 1, 100 and 1,000 rollouts (an hour; BENCHFLAGS=-short: minutes)
	$(GO) run ./test/bench/controller $(BENCHFLAGS)

CLUSTER := $(CURDIR)/.cache/cluster

.PHONY: cluster-build
cluster-build: ## build the Kubernetes cluster of test/cluster (20 minutes the first time; JOBS=1 to be gentle)
	test/cluster/build

.PHONY: cluster
cluster: cluster-build ## start that cluster, leave it running and say how to use it
	@$(CLUSTER)/bin/cluster up $(CLUSTER)/run -traefik -istio -prometheus
	@echo "# make cluster-stop ends it; test/cluster/README.md tells the rest"

.PHONY: cluster-stop
cluster-stop: ## stop it
	@$(CLUSTER)/bin/cluster down $(CLUSTER)/run

.PHONY: cluster-test
cluster-test: cluster-build ## the cluster's own tests
	cd test/cluster && $(GO) vet ./... && $(GO) test -count=1 -timeout 20m ./...

.PHONY: e2e
e2e: cluster-build ## rollouts on that cluster, for each router: promotion, rollback, commands, failures (RUN=pattern for some)
	cd test/e2e && $(GO) vet ./... && $(GO) test -count=1 -timeout 60m -parallel 4 $(if $(RUN),-run '$(RUN)') -v .

.PHONY: e2e-install
e2e-install: cluster-build ## what is in deploy, on that cluster: manifests, chart, rights, kubectl haldane
	cd test/e2e/install && $(GO) vet ./... && $(GO) test -count=1 -timeout 20m ./...
