# Stable writeback for pinned pages: everything is reached from here.
# Every step is cached; interrupt any of them and run it again.
BASE ?= 6.1
export BASE SCENARIO KERNEL JOBS MINUTES FAULT_MINUTES SEED
MAKEFLAGS += --no-print-directory

.PHONY: help demo test debug-test soak check bench tree refresh am setup kernel clean .FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "variables: BASE=6.1, SCENARIO=name and KERNEL=stock|lean|patched|debug (test), JOBS=guests at a time, MINUTES and SEED (soak)"

demo: ## build, boot stock and patched, show the two failures and their fix in one table
	@scripts/demo.sh

test: ## everything: all scenarios on patched and stock, selftests, the harness itself
	@scripts/test.sh

debug-test: ## all scenarios on a kernel with KASAN, lockdep and more (not part of CI)
	@KERNEL=debug scripts/test.sh

soak: ## 30 minutes of mixed load on the debug kernel, then without memory (not part of CI)
	@scripts/soak.sh

check: ## the patches themselves: git am, builds at each step, checkpatch, sparse, kernel-doc, shellcheck
	@scripts/check.sh

bench: ## instructions of the I/O paths, stock and patched, as ratios
	@scripts/setup.sh full
	@scripts/tree.sh
	@scripts/build.sh stock-lean
	@scripts/build.sh patched
	@scripts/build.sh programs
	@scripts/bench.sh

tree: ## build/BASE/tree: a git tree with the base and the series, to work in
	@scripts/setup.sh demo
	@scripts/tree.sh

refresh: ## write the commits of build/BASE/tree back to patches/BASE
	@scripts/refresh.sh

am: ## apply the series to a kernel tree of yours: make am TREE=directory
	@scripts/am.sh "$(TREE)"

kernel: ## only build the patched kernel
	@scripts/setup.sh demo
	@scripts/tree.sh
	@scripts/build.sh patched

setup: ## only install the packages that are missing
	@scripts/setup.sh full

clean: ## remove build/ but for build/BASE/tree (your commits) and the downloads
	@scripts/clean.sh

# A word that is no target: one line.
%: .FORCE
	@echo "no target '$@': make help lists them" >&2; exit 2
Makefile: ;
.FORCE:
