# SPDX-License-Identifier: GPL-2.0
# Stable writeback for pinned pages: everything is reached from here. A target is one script,
# which checks its variables before it does anything. Each step is cached: interrupt any of
# them and run it again.
#
# These variables are known; make help prints their lines. A value given here is in the
# environment of the script.
#: BASE=6.1             the base: 6.1 or 5.4
#: SCENARIO='boot f1/'  scenarios for test, list, shell: names, with * and ?, or groups
#: KERNEL=patched       stock, lean (stock, lean configuration), patched or debug
#: TEST_ALL=1           test runs the long scenarios, too
#: JOBS=2               guests that test runs at a time
#: JOBS_BUILD=2         jobs of a kernel build (make -j; default: number of CPUs)
#: MINUTES=30           of mixed load in soak
#: FAULT_MINUTES=10     of load without memory in soak
#: SEED=n               repeats the soak of this seed
#: TREE=directory       the git tree of Linux for am
#: TOPICS='10 20 30'    the topics for am (default: all)
#: TOPIC=40-btrfs       the topic for mbox
#: FILES=fs/nfs         for mbox: only the patches that change these files or directories
#: NAME=x               the name of a new scenario, or group/x
#: LINUX_5_4=directory  source of base 5.4: a tree or a git repository (default: a clone)
#: KEEP=1               keeps the disks of a guest in build/run
#: CHECK_ALL=1          check repeats all that it has done before
#: DURATION_FACTOR=n    multiplies how long a guest waits and how long load runs
#: LIMIT_FACTOR=n       multiplies the time after which a guest counts as hung
#: GUEST_TIMEOUT=n      seconds for a guest, instead of its scenario's TIMEOUT
#: GUEST_ACCEL=kvm      accelerator of QEMU (default: kvm if it works, else tcg,thread=multi)
#: GUEST_SMP=2          CPUs of a guest
#: GUEST_MEM=2048       MiB of memory of a guest
#: GUEST_ARGS='-d int'  more arguments for QEMU
#: GUEST_CMDLINE=x      more words for the command line of the guest's kernel
#: BENCH_TIMEOUT=300    seconds for each kernel of bench
known := $(shell sed -n 's/^.: \([A-Z_0-9]*\)=.*/\1/p' $(firstword $(MAKEFILE_LIST)))
given := $(foreach v,$(.VARIABLES),$(if $(findstring command,$(origin $v)),$v))
unknown := $(filter-out $(known) MAKEFLAGS MAKEOVERRIDES,$(given))
ifneq ($(unknown),)
$(error unknown variable: $(unknown) (known: $(known)))
endif

MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.PHONY: help demo test debug-test soak list shell scenario check bench tree refresh am mbox \
	kernel setup clean .FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile
	@echo; echo "Variables, as in make test BASE=5.4:"; sed -n 's/^#: /  /p' Makefile

demo: ## build, boot stock and patched, show the two failures and their fix in one table
	@scripts/demo.sh

test: ## everything: all scenarios on patched and stock, selftests, the harness itself
	@scripts/test.sh

debug-test: ## all scenarios on a kernel with KASAN, lockdep and more (not part of CI)
	@KERNEL=debug scripts/test.sh

soak: ## 30 minutes of mixed load on the debug kernel, then without memory (not part of CI)
	@scripts/soak.sh

list: ## the scenarios: base, expected result on stock, last time, description
	@scripts/list.sh

shell: ## a prompt in a guest with disks and the helpers of the scenarios
	@scripts/shell.sh

scenario: ## a new scenario from a template: make scenario NAME=x
	@scripts/new-scenario.sh "$$NAME"

check: ## the patches: git am, builds at each step, checkpatch, sparse, kernel-doc, shellcheck
	@scripts/check.sh

bench: ## instructions of the I/O paths, stock and patched, as ratios
	@scripts/bench.sh

tree: ## build/BASE/tree: a git tree with the base and the series, to work in
	@scripts/prepare.sh tree

refresh: ## write the commits of build/BASE/tree back to patches/BASE
	@scripts/refresh.sh

am: ## apply the series to a kernel tree of yours: make am TREE=directory
	@scripts/am.sh "$$TREE"

mbox: ## one topic, or its patches to FILES, as mails: make mbox TOPIC=40-btrfs
	@scripts/mbox.sh "$$TOPIC"

kernel: ## only build the patched kernel
	@scripts/prepare.sh kernel

setup: ## only install the packages that are missing
	@scripts/setup.sh

clean: ## remove build/ except build/BASE/tree (your commits) and the downloads
	@scripts/clean.sh

# A word that is no target: one line.
%: .FORCE
	@echo "no target '$@': make help lists them" >&2; exit 2
Makefile: ;
.FORCE:
