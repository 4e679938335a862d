# Needletail's builds and tests. `make run` and `make test` do everything, from a fresh clone on.

SWIFT ?= swift
EXAMPLES = hello clock crash kv http notes
# Images that only the integration cases boot.
TEST_IMAGES = idle-stress probe device-probe idle-disk net-probe net-relay
# Images that only the benchmarks boot.
BENCHMARK_IMAGES = block-load
IMAGES = $(EXAMPLES) $(TEST_IMAGES) $(BENCHMARK_IMAGES)
# The monitor, and what is linked as it is.
HOST_PRODUCTS = needletail integration boot-benchmark block-benchmark network-benchmark floor bare

GUEST_BUILD = NEEDLETAIL_IMAGES=1 $(SWIFT) build --toolset GuestLink/toolset.json --scratch-path .build-guest -c release $(SWIFT_FLAGS)
MONITOR_BUILD = $(SWIFT) build --toolset MonitorLink/toolset.json --scratch-path .build-monitor -c release $(SWIFT_FLAGS)
# CI sets this in the environment of everything; a person's build only shows warnings.
ifdef CI
SWIFT_FLAGS = -Xswiftc -warnings-as-errors
endif

PACKAGES = musl-dev libelf-dev libdw-dev liburing-dev zlib1g-dev qemu-system-x86 busybox-static cpio zstd xz-utils lz4 strace fio e2fsprogs \
  passt iproute2 ethtool iputils-ping traceroute tcpdump nmap dnsmasq-base curl

# A product is made again when anything that it could be made from has changed.
COMMON_SOURCES = Package.swift $(shell find Sources -type f)
GUEST_SOURCES = $(COMMON_SOURCES) $(shell find Examples Tests/Images Benchmarks/Block/Load GuestLink -type f -not -path '*/.build*')
MONITOR_SOURCES = $(COMMON_SOURCES) $(shell find Tests/Integration Benchmarks MonitorLink -type f)

# The integration program's own words for "there is no /dev/kvm here".
NO_KVM = 77
LANE_FILES = out/needletail $(EXAMPLES:%=out/%.elf) $(TEST_IMAGES:%=out/%.elf) out/hello.stripped.elf out/crash.stripped.elf

.NOTPARALLEL:
.PHONY: all help deps build images programs run test test-unit test-hosted test-integration test-microvm test-network test-hardware test-linux test-external lane fuzz build-fuzz test-fuzz bench \
  format lint clean toolsets

all: build

help:
	@echo 'make run              build everything and boot hello'
	@echo 'make test             lint, then every lane: unit, hosted, /dev/kvm, network, microvm, emulated hardware, Linux, an outside package'
	@echo 'make lane CASE=NAME   one integration case on emulated hardware'
	@echo 'make fuzz TIME=60     every fuzz target, for so many seconds each; TARGET=NAME for one'
	@echo 'make bench            measure, and rewrite the tables of docs/performance.md'
	@echo 'make format           lay the sources out as `make lint` wants them'
	@echo 'steps: deps toolsets build lint test-unit test-hosted test-integration test-network test-microvm test-external test-fuzz test-hardware test-linux clean'

# Set for the makes that run beside each other, behind one that has done this for both.
ifdef PREPARED
deps toolsets:
else
# Debian's packages, and the kernel of the hardware lane. Quick when everything is there.
deps:
	@missing=$$(for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	if [ -n "$$missing" ]; then \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get update -q && $$sudo apt-get install -q -y --no-install-recommends $$missing; \
	fi
	@command -v $(SWIFT) >/dev/null || { echo 'make: swift is not on PATH; see https://www.swift.org/install' >&2; exit 1; }

	@Tests/HardwareLane/prepare

toolsets: deps
	@GuestLink/generate-toolset
	@MonitorLink/generate-toolset
endif

BESIDE = $(MAKE) --no-print-directory PREPARED=yes

# Two builds at once, in folders of their own: most of what a compiler does for a whole module takes one processor.
build: toolsets
	@Tests/side-by-side '$(BESIDE) images' '$(BESIDE) programs'

images: $(IMAGES:%=out/%.elf)
programs: $(HOST_PRODUCTS:%=out/%)

# Kept with its symbols as NAME.elf, which costs a guest nothing: they are not loaded. NAME.stripped.elf is without, and
# without a table of sections, which no loader looks at.
OBJCOPY = $(dir $(shell readlink -f "$$(command -v $(SWIFT))"))llvm-objcopy
out/%.elf: $(GUEST_SOURCES) | toolsets
	@mkdir -p out
	$(GUEST_BUILD) --product $*
	@cp .build-guest/release/$* $@.new
	@$(OBJCOPY) --strip-sections $@.new out/$*.stripped.elf
	@mv $@.new $@

$(HOST_PRODUCTS:%=out/%): out/%: $(MONITOR_SOURCES) | toolsets
	@mkdir -p out
	$(if $(filter needletail,$*),NEEDLETAIL_MUSL=1 )$(MONITOR_BUILD) --product $*
	@strip --strip-all -o $@ .build-monitor/release/$*

run: build
	out/needletail run out/hello.elf

# What takes longest takes one processor, the emulated one; the other has the builds and the tests that time means nothing
# to. The rest has both.
test: lint build
	@Tests/side-by-side '$(BESIDE) test-hardware test-linux' '$(BESIDE) test-unit test-hosted test-external test-fuzz'
	@$(BESIDE) test-integration test-network test-microvm

test-unit: build
	$(SWIFT) build --build-tests $(SWIFT_FLAGS)
	$(SWIFT) test --skip-build

# The examples as ordinary processes.
test-hosted: build
	@for example in $(EXAMPLES); do $(SWIFT) build $(SWIFT_FLAGS) --product $$example || exit 1; done
	out/integration --monitor out/needletail --images out --hosted .build/debug hosted-hello hosted-clock hosted-crash hosted-kv

test-integration: build
	Tests/order-is-current .build-monitor/release/needletail MonitorLink/start.order
	@out/integration --monitor out/needletail --images out || { status=$$?; \
	  if [ $$status = $(NO_KVM) ]; then echo 'no /dev/kvm here: the cases run in the hardware lane only'; else exit $$status; fi; }

# A guest against Linux's stack, in network namespaces.
test-network: build
	@Tests/Network/run guest || { status=$$?; if [ $$status = $(NO_KVM) ]; then \
	  echo 'the cases about the network were not run: no /dev/kvm, or no network namespaces here'; else exit $$status; fi; }

# The same images without the monitor, on QEMU's microvm and its devices. One case goes through the monitor as well.
QEMU ?= /usr/bin/qemu-system-x86_64
test-microvm: build
	Tests/order-is-current out/http.elf GuestLink/start.order
	@out/integration --monitor out/needletail --images out --qemu $(QEMU) --topic microvm || { status=$$?; \
	  if [ $$status = $(NO_KVM) ]; then \
	    echo 'no /dev/kvm here: the microvm cases run without the one that needs it'; \
	    out/integration --monitor out/needletail --images out --qemu $(QEMU) $$(out/integration --list --topic microvm | \
	      sed -n 's/^\(microvm-[a-z-]*\):.*/\1/p' | grep -v '^microvm-kv-restart$$'); else exit $$status; fi; }

# The same cases, on a processor with SVM that QEMU emulates.
test-hardware: build
	Tests/HardwareLane/self-test
	$(HARDWARE_LANE)

# Linux's own drivers on our devices, there as well.
test-linux: build
	Tests/Linux/run

lane: build
	$(HARDWARE_LANE) $(CASE)

HARDWARE_LANE = Tests/HardwareLane/run --limit 1200 $(LANE_FILES:%=-f %) -- \
  out/integration --monitor ./needletail --images . --lane hardware --network guest

# An application in a package of its own, with a device, built by the command that its Package.swift names.
test-external: build
	cd Examples/greeter && $(SWIFT) build --toolset ../../GuestLink/toolset.json --scratch-path .build-guest -c release --product greeter
	@if [ -e /dev/kvm ]; then said=$$(echo Ada | out/needletail run $(GREETER)); else \
	  echo 'no /dev/kvm here: the outside package runs in the hardware lane'; \
	  said=$$(Tests/HardwareLane/run -f $(GREETER) -- out/needletail run ./greeter Ada); fi; \
	echo "$$said"; [ "$$said" = 'Good morning, Ada!' ]

GREETER = Examples/greeter/.build-guest/release/greeter

# Everything that strangers can say, said at random (CONTRIBUTING.md, "Fuzz").
TIME = 60
fuzz: build-fuzz
	Tests/Fuzz/run time $(TIME) $(TARGET)

# Few inputs, the same every time.
test-fuzz: build-fuzz
	Tests/Fuzz/run seeded 5000 $(TARGET)

build-fuzz: deps
	NEEDLETAIL_FUZZ=1 $(SWIFT) build --scratch-path .build-fuzz -c release $(SWIFT_FLAGS) --product fuzz

# What the guest is measured against; a server that Debian starts when it is installed is not for `make test` to bring.
bench: PACKAGES += wrk nginx-light
bench: build
	Benchmarks/run

format:
	$(SWIFT) format format --in-place --recursive $(FORMATTED)

lint:
	$(SWIFT) format lint --strict --recursive $(FORMATTED)

FORMATTED = Package.swift Sources Tests Benchmarks Examples

clean:
	rm -rf .build .build-fuzz .build-guest .build-hosted .build-monitor out
