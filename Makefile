# What can be asked of this repository. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything a fresh Debian 12 lacks to build, lint, test, measure and show.
PACKAGES := clang-16 clang-format-16 lld-16 libelf-dev zlib1g-dev pkg-config gcc libc6-dev make \
	iproute2 nftables iptables conntrack ethtool tcpdump procps kmod cpio sockperf iperf3 bpftool
# Open vSwitch with DPDK, the drivers Debian keeps apart from it, and what stands at the other end of its ports. Without
# the ring of memory pools every vhost port fails with "Invalid argument".
SWITCH_PACKAGES := openvswitch-switch-dpdk dpdk dpdk-dev containernetworking-plugins librte-mempool-ring23 librte-net-virtio23 \
	librte-net-tap23 librte-net-null23 librte-net-af-packet23
# What nodes of a cluster are made of, beside what is built for them.
CLUSTER_PACKAGES := containerd runc containernetworking-plugins busybox-static openssl socat
# What virtual machines need on top.
VM_PACKAGES := qemu-system-x86 qemu-utils seabios ipxe-qemu busybox-static xz-utils zstd mmdebstrap e2fsprogs

KERNELS ?= 6.1 6.12 7.2
# --brief runs there only what a kernel's own ways decide.
BRIEF ?=
# Which of the tests in VMs with a disk; all unless said.
VM_TESTS ?=
# How the cluster is raised.
CLUSTER ?=
FUZZ_SECONDS ?= 60
# Where the demos of the switch and of a cluster find the command line: target/debug is built sooner, and its images too.
PROGRAMS ?= target/release
# What `make images` has written.
BUILT_IMAGES = $(dir $(wildcard target/images/flyover-*/index.json))
CNI_TARGET := x86_64-unknown-linux-musl
CNI_MOST_BYTES := 4194304
# `.ci/run` lints what it compiles, and compiles nothing twice.
CLIPPY ?= cargo clippy
# Those that no plain `cargo test` runs.
NAMED_TESTS := kernels node_vm cluster_vm guests scenarios kubelet cluster api
# Name of the lab that demo and bench raise.
LAB ?= $@

SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
FLYOVER := $(SUDO) target/release/flyover
BPF_SOURCES = $(wildcard crates/*/bpf/*.[ch])

# Tests of network namespaces and BPF need root; the compiler does not.
ifneq ($(SUDO),)
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER := sudo -E
endif

.PHONY: help setup demo demo-switch demo-cluster test bench bench-cni lint fuzz cni test-kernels test-kernels-built test-kernels-node test-vm test-fresh clean setup-cluster cluster cluster-down test-cluster test-cluster-built test-scenarios test-servers test-servers-kubelet test-servers-cluster images

help: ## List what can be asked for
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

setup: ## Install all packages and tools; does nothing when all is there
	@scripts/install-packages $(PACKAGES) $(SWITCH_PACKAGES)
	@scripts/install-toolchain
	@scripts/install-cnitool

setup-cluster: setup ## Install what clusters are made of, and build Kubernetes (ten minutes the first time)
	@scripts/install-packages $(CLUSTER_PACKAGES)
	@scripts/install-kubernetes

cluster: setup-cluster ## Raise a Kubernetes cluster of two nodes on this machine, with the images that are built (CLUSTER="--proxy nftables --hugepages 512 …")
	cargo build --bin xtask
	@$(SUDO) target/debug/xtask cluster up $(CLUSTER)
	@$(if $(BUILT_IMAGES),$(SUDO) target/debug/xtask cluster load $(BUILT_IMAGES))

cluster-down: ## Take it away
	cargo build --bin xtask
	@$(SUDO) target/debug/xtask cluster down

demo: setup ## Build, raise a lab, compare the paths, write target/demo/report.{json,html}
	cargo build --release --package flyover
	@mkdir -p target/demo
	@$(FLYOVER) lab up --name $(LAB); \
	trap '$(FLYOVER) lab down --name $(LAB)' EXIT; \
	$(FLYOVER) bench compare --lab $(LAB) --quick --report target/demo

demo-switch: cni ## Raise a userspace switch, attach pods and a VM by both documents' networks, measure, take all back
	@scripts/install-packages $(VM_PACKAGES)
	cargo build $(if $(filter target/release,$(PROGRAMS)),--release --package flyover,--bin flyover)
	cargo build --bin xtask
	@$(SUDO) target/debug/xtask demo-switch --programs $(PROGRAMS) --plugin target/cni/flyover

demo-cluster: setup-cluster ## Raise a cluster, install Flyover, measure what it does and takes, remove it, take all back
	cargo build --bin xtask
ifeq ($(PROGRAMS),target/release)
	cargo build --release --package flyover
	target/debug/xtask images --native
	@$(SUDO) target/debug/xtask demo-cluster --programs $(PROGRAMS) --images target/images
else
	cargo build --bins
	target/debug/xtask images --debug
	@$(SUDO) target/debug/xtask demo-cluster --programs $(PROGRAMS) --images target/images/debug
endif

# Labs, agents and captures of many tests at once would starve each other on two cores.
test: setup ## Run every test that needs this machine alone: unit, root and BPF
	RUST_TEST_THREADS=1 cargo test --workspace --no-fail-fast

bench: setup ## Measure at length; the report goes to target/bench; fails if this tool adds more than sockperf
	cargo build --release --package flyover
	@mkdir -p target/bench
	@$(FLYOVER) lab up --name $(LAB); \
	trap '$(FLYOVER) lab down --name $(LAB)' EXIT; \
	$(FLYOVER) bench compare --lab $(LAB) --report target/bench
	$(FLYOVER) bench self
	$(MAKE) bench-cni

bench-cni: cni ## Measure attaching to a switch, beside the switch's own work and beside ovs-vsctl
	FLYOVER_CNI=$(CURDIR)/target/cni/flyover cargo bench --package flyover-cni

lint: setup ## Check format, clippy, the house's own rules and the BPF programs' form
	cargo fmt --all --check
	$(CLIPPY) --workspace --all-targets -- -D warnings
	$(CLIPPY) --workspace $(NAMED_TESTS:%=--test %) -- -D warnings
	cargo run --quiet --bin tidy
	cargo xtask gen --check
	@$(if $(BPF_SOURCES),clang-format-16 --dry-run -Werror $(BPF_SOURCES))

fuzz: setup ## Fuzz every target for FUZZ_SECONDS each (installs nightly and cargo-fuzz)
	@scripts/install-fuzz
	@for target in $$(cargo +nightly fuzz list); do \
		mkdir -p "fuzz/corpus/$$target"; \
		cargo +nightly fuzz run "$$target" "fuzz/corpus/$$target" $$(find fuzz/seeds -name "$$target") \
			-- -max_total_time=$(FUZZ_SECONDS); \
	done

# For the target's own size, by the compiler alone.
cni: export RUSTC_WORKSPACE_WRAPPER :=
cni: setup ## Build the CNI plugin, static, as target/cni/flyover and target/cni/userspace
	cargo build --profile cni --target $(CNI_TARGET) --package flyover-cni
	@mkdir -p target/cni
	@cp target/$(CNI_TARGET)/cni/flyover-cni target/cni/flyover
	@ln -f target/cni/flyover target/cni/userspace
	@test "$$(stat -c %s target/cni/flyover)" -le $(CNI_MOST_BYTES)

images: setup ## Build the images that a cluster installs, as OCI layouts and archives below target/images
	cargo xtask images

test-kernels-built: setup
	@scripts/install-packages $(VM_PACKAGES)
	cargo build --bin xtask
	target/debug/xtask kernels --no-boot $(KERNELS)

test-kernels: test-kernels-built ## Boot each of KERNELS="6.1 6.12 7.2" in a VM and run the guest's tests there
	target/debug/xtask kernels $(BRIEF) $(KERNELS)

test-kernels-node: test-kernels-built ## Boot each of KERNELS on the hardware of a node: an IOMMU, two NUMA nodes, NICs to take away
	target/debug/xtask kernels --node $(KERNELS)

# One machine at a time: each has eight CPUs, emulated.
test-vm: setup-cluster ## Run the tests that reboot nodes and take their NICs, in VMs with a disk, a cluster in one, and VMs on a switch
	@scripts/install-packages $(VM_PACKAGES)
	RUST_TEST_THREADS=1 cargo test --workspace --test node_vm --test cluster_vm --test guests -- --nocapture $(VM_TESTS)

test-cluster-built: setup-cluster
	cargo test --workspace --test scenarios --test kubelet --test cluster --test api --test cni --no-run
	cargo build --bin xtask
	target/debug/xtask images --debug

test-cluster: test-scenarios test-servers ## Run the tests on a real Kubernetes cluster and against a real API server, with images of what they are built with

# One cluster at a time: each is a gigabyte of daemons.
test-scenarios: test-cluster-built ## Install, use, upgrade, break and remove Flyover on a cluster
	RUST_TEST_THREADS=1 cargo test --workspace --test scenarios --no-fail-fast -- --nocapture

# They wait more than they compute, so one half runs beside the other.
test-servers: test-cluster-built ## Run the tests of the cluster itself, and of what talks to its API server and kubelets
	@$(MAKE) --jobs --keep-going --output-sync test-servers-kubelet test-servers-cluster

test-servers-kubelet:
	RUST_TEST_THREADS=1 cargo test --workspace --test kubelet --test api --no-fail-fast -- --nocapture

test-servers-cluster:
	RUST_TEST_THREADS=1 cargo test --workspace --test cluster --no-fail-fast -- --nocapture

test-fresh: setup ## Run setup, lint and test in a bare Debian 12, to see that nothing else is needed
	@scripts/install-packages mmdebstrap
	$(SUDO) scripts/in-fresh-debian make setup lint test

clean: ## Remove what was built, and the labs and the cluster left behind
	@if [ -x target/release/flyover ]; then $(FLYOVER) lab down --all; fi
	@if [ -x target/debug/xtask ]; then $(SUDO) target/debug/xtask cluster down; fi
	cargo clean
