# Needletail's builds and tests. `make run` and `make test` do everything, from a fresh clone on.

SWIFT ?= swift
EXAMPLES = hello clock crash
# Images that only the integration cases boot.
TEST_IMAGES = idle-stress tasks allocation console-flood
IMAGES = $(EXAMPLES) $(TEST_IMAGES)
# Programs that are linked as the monitor is.
STATIC_PROGRAMS = integration boot-benchmark floor bare

GUEST_BUILD = $(SWIFT) build --toolset GuestLink/toolset.json --scratch-path .build-guest -c release $(SWIFT_FLAGS)
MONITOR_BUILD = $(SWIFT) build --toolset MonitorLink/toolset.json --scratch-path .build-monitor -c release $(SWIFT_FLAGS)
# CI sets this in the environment of everything; a person's build only shows warnings.
ifdef CI
SWIFT_FLAGS = -Xswiftc -warnings-as-errors
endif

PACKAGES = libelf-dev libdw-dev zlib1g-dev qemu-system-x86 busybox-static cpio zstd xz-utils strace

.PHONY: all help deps build toolsets run test test-unit test-integration test-hardware lane bench format lint clean

all: build

help:
	@echo 'make run     build everything and boot hello'
	@echo 'make test    lint, unit tests, integration tests on /dev/kvm, the same ones on emulated hardware'
	@echo 'make lane CASE=NAME   one integration case on emulated hardware'
	@echo 'make bench   measure, and rewrite the tables of docs/performance.md'
	@echo 'make deps build toolsets test-unit test-integration test-hardware format lint clean   the steps'

# Debian packages, and the hardware lane's kernel. Quick when everything is there.
deps:
	@missing=$$(for package in $(PACKAGES); do dpkg -s $$package >/dev/null 2>&1 || echo $$package; done); \
	if [ -n "$$missing" ]; then \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get update -q && $$sudo apt-get install -q -y --no-install-recommends $$missing; \
	fi

toolsets:
	@GuestLink/generate-toolset
	@MonitorLink/generate-toolset

build: deps toolsets
	@mkdir -p out
	@for product in needletail $(STATIC_PROGRAMS); do $(MONITOR_BUILD) --product $$product || exit 1; done
	@for product in $(IMAGES); do $(GUEST_BUILD) --product $$product || exit 1; done
	@Scripts/install-products $(IMAGES) -- needletail $(STATIC_PROGRAMS)

run: build
	out/needletail run out/hello.elf

clean:
	rm -rf .build .build-guest .build-monitor out
