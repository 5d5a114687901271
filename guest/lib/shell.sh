# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The prompt of make shell: all helpers, and the functions of a scenario if SCENARIO names one.
# guest/run starts bash with this file.
ROOT=/proj
RDMA=rxe # for rdma.sh
for file in "$ROOT/scripts/lib-scenarios.sh" "$ROOT"/guest/lib/{lib,dev,net,content,rdma}.sh; do
	# shellcheck source=/dev/null
	. "$file"
done
if [[ $SCENARIO != shell ]]; then
	file=$(scenario_file "$SCENARIO")
	# shellcheck source=/dev/null
	. "$file"
	choose_variant "$file"
fi

# Messages of helpers are for this terminal, and a failure only ends the command.
say() { echo "${*#@@INFO }"; }
abort() {
	echo "$*" >&2
	if ((BASHPID == $$)); then
		kill -INT $$
	else
		exit 1
	fi
}
fail() { abort "fail: $*"; }
skip() { abort "skip: $*"; }

kernel=stock
if is_patched; then
	kernel=patched
fi
echo
echo "Linux $(uname -r) ($kernel). Scratch disks: /dev/vda (4 GiB), /dev/vdb (1 GiB). Files in"
echo "/out are kept on the host. declare -F lists the helpers of guest/lib."
if [[ $SCENARIO != shell ]]; then
	echo "The scenario $SCENARIO is loaded${FS:+ (FS=$FS)}: requires, run, verify."
fi
echo "exit or Ctrl-D ends the guest, Ctrl-A X ends QEMU."
unset HISTFILE file
PS1="$kernel# "
cd /mnt || true
