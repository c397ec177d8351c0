.DEFAULT_GOAL := help
.PHONY: help build demo test bench bench-api bench-audit bench-policy check fmt deb clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

build: ## Build the shiplift command (.build/release/shiplift)
	@Scripts/install-dependencies build
	swift build -c release --product shiplift --static-swift-stdlib

demo: ## Promote a real image through four environments before your eyes (CHECK=1: without a terminal)
	@Scripts/install-dependencies demo
	@[ -x .build/release/shiplift ] || echo "building Shiplift for the first time: five to ten minutes on two cores, then seconds"
	@swift build -c release --product shiplift --static-swift-stdlib
	@CHECK=$(CHECK) Scripts/demo

test: ## Build and run all tests
	@Scripts/test

bench: ## Measure against other tools, about half an hour (ARGS=--quick: a minute, to see that it works)
	@Scripts/install-dependencies bench
	@swift build -c release --product shiplift --static-swift-stdlib
	@python3 Benchmarks/run.py $(ARGS)

bench-policy: ## Measure a policy decision over 1,000 rules; fails above a millisecond (ARGS="RULES ROUNDS")
	@swift run -c release policy-benchmark $(ARGS)

bench-api: ## Measure the API under load with a bare Hummingbird route beside it; fails where a bar is missed (ARGS="--only read")
	@Scripts/install-dependencies bench
	@swift build -c release --product shiplift --static-swift-stdlib
	@swift build -c release --product bare-route --static-swift-stdlib
	@python3 Benchmarks/api.py $(ARGS)
	@[ -n "$(ARGS)" ] || python3 Benchmarks/waiters.py

bench-audit: ## Measure the audit log: questions, proofs, export, verification, appends (ARGS="--size 10000000")
	@Scripts/install-dependencies bench
	@swift build -c release --product shiplift --static-swift-stdlib
	@python3 Benchmarks/audit.py $(ARGS)

check: ## Check the formatting
	swift format lint --recursive --parallel Sources Tests Package.swift

fmt: ## Format the sources
	swift format --in-place --recursive --parallel Sources Tests Package.swift

deb: ## Make a Debian package with a systemd unit (.build/packages)
	@Scripts/build-deb

clean: ## Remove what was built
	rm -rf .build .demo
