# make run    a server to try out, with nothing prepared
# make test   everything that CI checks
# The other targets are the parts of these, and what takes longer.

SHELL   := /bin/bash
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# Packages with tests that start the whole server.
E2E  := ./test/... ./deploy/...
UNIT  = $(shell $(GO) list ./... | grep -vE '^lessor/(test|deploy)(/|$$)')

# Tools that no Debian package brings without a service.
export PATH := $(CURDIR)/bin/tools:$(PATH):/usr/sbin

FUZZTIME  ?= 10s
BENCH     ?= .
BENCHTIME ?= 1s

.PHONY: run build test tools vet lint unit e2e e2e-race crash soak fuzz bench cover test-kernel clean

run: build
	bin/lessor serve $(ARGS)

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/lessor ./cmd/lessor

test: tools vet lint unit e2e

# Commands that the tests use, and the Debian packages that bring them. Missing
# ones are installed where that is possible; the tests that need one are skipped
# in "go test" and fail in "make test".
TOOLS := smbclient:smbclient smbtorture:samba-testsuite net:samba-common-bin \
         setfattr:attr setfacl:acl gcc:gcc mkfs.btrfs:btrfs-progs \
         krb5kdc:krb5-kdc slapd:slapd kadmin.local:krb5-admin-server kinit:krb5-user \
         impacket-rpcdump:python3-impacket

tools:
	@missing=; for t in $(TOOLS); do \
	    command -v $${t%%:*} >/dev/null || missing="$$missing $${t##*:}"; done; \
	promtool=; command -v promtool >/dev/null || promtool=promtool; \
	[ -z "$$missing$$promtool" ] && exit 0; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	if ! command -v apt-get >/dev/null || ! $$sudo true 2>/dev/null; then \
	    echo "please install:$$missing $$promtool" >&2; exit 1; fi; \
	echo "installing:$$missing $$promtool"; set -e; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$sudo apt-get update -qq; \
	[ -z "$$missing" ] || $$sudo apt-get install -qq -y --no-install-recommends $$missing >/dev/null; \
	[ -z "$$promtool" ] || $(MAKE) --no-print-directory bin/tools/promtool

# Of the package, only the program: installing it would start a Prometheus.
bin/tools/promtool:
	@mkdir -p bin/tools bin/deb
	cd bin/deb && apt-get download -qq prometheus
	dpkg-deb -x bin/deb/prometheus_*.deb bin/deb
	cp bin/deb/usr/bin/promtool $@
	rm -rf bin/deb

vet:
	$(GO) vet ./...

# Beside the linter: a test that sleeps must do so by a fake clock.
lint:
	$(GO) run $(GOLANGCI_LINT) run
	@bad=$$(grep -rl --include='*_test.go' 'time\.Sleep(' . | xargs -r grep -L 'testing/synctest'); \
	if [ -n "$$bad" ]; then echo "sleeps outside of testing/synctest: $$bad" >&2; exit 1; fi

unit:
	$(GO) test -race -timeout 15m $(UNIT)

e2e:
	LESSOR_TEST_REQUIRE_TOOLS=1 $(GO) test -p 1 -timeout 25m $(E2E)

# The same with the race detector and the checks of the tag "invariants" in the
# server, without the large files.
e2e-race:
	LESSOR_BUILD_FLAGS='-race -tags=invariants' $(GO) test -short -timeout 60m $(E2E)

# Hostile clients in numbers: CROWD idle connections with a session, an open file and a
# lease each, and what one of them costs the server.
CROWD ?= 10000
hostile:
	LESSOR_TEST_CROWD=$(CROWD) $(GO) test -count 1 -timeout 20m -v ./test/protocol -run 'TestSiege'

# A server under load, killed CRASHES times: what it had told its clients holds.
CRASHES ?= 100
crash:
	$(GO) test -count 1 -timeout 60m -v ./test/crash -rounds $(CRASHES)

# Random histories of opens, leases, locks, deletions, lost connections, restarts and
# kills against the models of package locking: SOAK_STEPS steps against the one, twice
# as many against the other. "make unit" makes 20,000.
SOAK_STEPS ?= 1000000
soak:
	@set -o pipefail; LESSOR_SOAK_STEPS=$(SOAK_STEPS) $(GO) test -race -count 1 -timeout 120m -v \
	    -run '^(TestHistories|TestCrashModel)$$' ./locking | grep -v 'OK, passed'

# Every fuzz target for FUZZTIME.
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
	    for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	        echo "== $$pkg $$target"; \
	        $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
	    done; done

# The micro-benchmarks, with one and two processors, into bin/bench.txt for benchstat.
# Where SMBLOAD_COMPARE names a program that compares servers under load, and PEERS the
# others (go doc ./test/bench/compare), it runs too, and its table replaces the one in
# docs/performance.md. What the machine can do without a protocol, and what does not depend
# on how much there is, is measured by go run ./test/bench/limits and ./test/bench/scale.
COUNT ?= 1
PEERS ?=
bench: build
	@set -o pipefail; $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem \
	    -count $(COUNT) -cpu 1,2 ./... | tee bin/bench.txt
	@[ -z "$$SMBLOAD_COMPARE" ] || $(GO) run ./test/bench/compare -compare "$$SMBLOAD_COMPARE" \
	    $${SMBLOAD:+-smbload "$$SMBLOAD"} $(PEERS)

# The client of the Linux kernel, in a virtual machine without privileges.
test-kernel: TOOLS := qemu-system-x86_64:qemu-system-x86 cpio:cpio
test-kernel: tools
	$(GO) run ./test/kernel/run

cover:
	$(GO) test -timeout 15m -coverpkg=./... -coverprofile=bin/cover.out $(UNIT)
	$(GO) tool cover -func bin/cover.out | tail -1
	$(GO) tool cover -html bin/cover.out -o bin/cover.html

clean:
	rm -rf bin
