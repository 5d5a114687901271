# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034,SC2004,SC2119,SC2120
# (soak.sh sets the variables that its parts share.)
# The soak: the same without memory. Sourced by soak.sh.

# fault_setup PERCENT: allocations that may wait fail, too; so often for tasks that asked for it
# (make-it-fail). 0: only for tasks that ask for one failure (fail-nth).
fault_setup() {
	local directory
	for directory in $faults; do
		echo "$1" >"$directory/probability"
		echo Y >"$directory/task-filter"
		echo N >"$directory/ignore-gfp-wait"
		echo 0 >"$directory/verbose"
		echo 1000000000 >"$directory/times"	# some 6.1 take no -1
		echo 1 >"$directory/interval"
		if [[ -e $directory/min-order ]]; then
			echo 0 >"$directory/min-order"
		fi
		if [[ -e $directory/ignore-gfp-highmem ]]; then
			echo N >"$directory/ignore-gfp-highmem"
		fi
	done
}

# new_try_fs FS START_MB: a filesystem on /mnt/try-FS with a file of random data.
new_try_fs() {
	local device=/dev/mapper/try-$1
	if [[ ! -e $device ]]; then
		dm_linear "try-$1" /dev/vda "$2" 320
	fi
	fs_new "$1" "$device" "/mnt/try-$1"
	dd if=/dev/urandom of="/mnt/try-$1/file" bs=1M count=4 status=none conv=fsync
}

has_vfat() { command -v mkfs.vfat >/dev/null && grep -qw vfat /proc/filesystems; }

# fault_paths: one after the other, each allocation of each way to take user pages fails once. The
# buffer and the file are tried; btrfs has BUG_ON() for lack of memory.
fault_paths() {
	local fs files=() line list=/out/failpaths.txt failures
	modprobe -a -q algif_hash algif_skcipher vfat sg || true
	fault_setup 0
	mkdir -p /mnt/{scratch,direct}
	dm_linear scratch /dev/vdb 128 128
	fs_new ext4 /dev/mapper/scratch /mnt/scratch
	for fs in xfs ext4 vfat; do
		if [[ $fs == vfat ]] && ! has_vfat; then
			info "no vfat: fs/direct-io.c is not tried"
			continue
		fi
		new_try_fs $fs $((1024 + ${#files[@]} * 320))
		files+=("/mnt/try-$fs/file")
	done
	dd if=/dev/urandom of=/out/file bs=1M count=4 status=none
	info "each allocation fails once: ${files[*]}, /out/file, $DIF"
	failpaths /mnt/scratch/mapped "${files[@]}" /out/file "$DIF" >$list 2>&1 &
	soaks[paths]=$!
	while [[ -d /proc/${soaks[paths]} ]]; do
		sleep 2
		line=$(soak_complaint)
		[[ ! $line ]] || fail "failpaths: $(tail -n 1 $list): kernel: $line"
		if ((SECONDS - shown >= 25)); then
			shown=$SECONDS
			info "failpaths: $(tail -n 1 $list)"
		fi
	done
	wait "${soaks[paths]}" ||
		fail "failpaths: $(grep -v -E '^(ok|skip|note)' $list | head -n 1)"
	rm -f /out/file
	failures=$(awk '
		$1 == "ok" { for (i = 1; i < NF; i++) if ($i == "allocations") n += $(i - 1) }
		END { print n }' $list)
	info "$(grep -c '^ok' $list) paths, $failures failures," \
		"$(grep -c '^skip' $list) paths are not in this kernel"
	grep '^skip' $list || true
	umount /mnt/scratch /mnt/try-*
}

# no_guard_tags: the block layer has no reserve for guard tags: without memory for them a write is
# an I/O error, to the page cache, too. So none are made from now on, nor checked.
no_guard_tags() {
	local device directory
	for device in "$(readlink -f /dev/mapper/cut-xfs)" "$DIF"; do
		directory=/sys/block/${device##*/}/integrity
		if [[ -d $directory ]]; then
			echo 0 | tee "$directory/write_generate" >"$directory/read_verify"
		fi
	done
}

# fault_random SECONDS: allocations fail at random: soakfs says when, on ext4 and XFS; and on all
# filesystems one of three copies for writeback finds no memory but the reserve.
fault_random() {
	local fs with_faults=() count
	no_guard_tags
	soak_mount
	fault_setup 4
	if grep -qs bounce_page_alloc "$INJECT/injectable"; then
		no_bounce_memory 30
	fi
	for fs in "${FSES[@]}"; do
		# btrfs has BUG_ON() for lack of memory.
		if [[ $fs != btrfs ]]; then
			with_faults+=("$fs")
		fi
	done
	soak_start "${with_faults[@]}"
	soak_for "$1" faults
	soak_stop
	soak_end_nuisances
	wait_for 60 soak_stopped || soak_hang "soakfs does not end"
	fault_setup 0
	if grep -qs bounce_page_alloc "$INJECT/injectable"; then
		info "$(bounce_failures) copies without memory"
		echo 0 >"$INJECT/probability"
	fi
	soak_expect_clean
	for fs in "${FSES[@]}"; do
		info "$fs: $(soakfs "/run/log-$fs" stats)"
		count=$(soakfs "/run/log-$fs" stats |
			sed 's/.* syncs, \([0-9]*\) without.*/\1/')
		if [[ $fs != btrfs ]]; then
			((count > 0)) || soak_fail "on $fs no allocation failed"
		fi
	done
	soak_expect_unpinned "rest after faults"
	soak_umount
	soak_fsck
}
