# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Helpers for scenarios, by kind of device; guest/run sources this file after lib.sh.
#
# No race here is left to timing. A device that is held takes I/O and does not go on with it
# until it is released, so a scenario can say: the read is submitted and its pages are held,
# fsync() has submitted its writes, now the read lands, now the writes go out.

# ---- device mapper ---------------------------------------------------------

# dm_new NAME TABLE: makes the device /dev/mapper/NAME.
dm_new() {
	dmsetup create "$1" --table "$2"
	dmsetup mknodes "$1" >/dev/null
	[[ -b /dev/mapper/$1 ]] || fail "no /dev/mapper/$1"
}

# dm_linear NAME DEVICE [START_MB SIZE_MB]: a part of a device, which can be held.
dm_linear() {
	local start=$((${3:-0} * 2048)) size=${4:+$(($4 * 2048))}
	dm_new "$1" "0 ${size:-$(blockdev --getsz "$2")} linear $2 $start"
}

# dm_hold NAME, dm_release NAME: I/O that arrives in between waits inside the device. The
# filesystem on top is not frozen and nothing is flushed.
dm_hold() { dmsetup suspend --noflush --nolockfs "$1"; }
dm_release() { dmsetup resume "$1"; }
# The same commands for a step of pinrace.
HOLD='dmsetup suspend --noflush --nolockfs'
RELEASE='dmsetup resume'

# queue_of DEVICE: prints its directory in sysfs.
queue_of() { echo "/sys/dev/block/$(stat -Lc %Hr:%Lr "$1")/queue"; }

# want_stable DEVICE: its content must not change under I/O. Call it before the mount.
want_stable() {
	local attribute
	attribute=$(queue_of "$1")/stable_writes
	if [[ -e $attribute ]]; then
		echo 1 >"$attribute"
	else
		modprobe set_stable
		echo "$1" >/sys/module/set_stable/parameters/device
	fi
}

# source_new SIZE_MB [DEVICE]: makes /dev/mapper/source on the second disk (or on DEVICE), from
# which direct reads take their data. It holds the pattern of the source.
SOURCE=/dev/mapper/source
source_new() {
	local device=${2:-/dev/vdb}
	fillpat -w S -l "$1m" "$device"
	dm_linear source "$device" 0 "$1"
}

# checker_new SIZE_MB [MODE]: makes /dev/mapper/checker, a device that compares the content of a
# write at submission with its content at completion. It is dm-integrity without a journal: the
# checksum is taken of the page when the bio arrives, and the data is the content of the page
# when the device below, "slow", takes it. A later read of a block that changed in between is an
# error (EILSEQ). The checksums are on another device, which is never held.
# Without a journal (MODE D, the default) a block is unreadable after a power cut if its data was
# written and its checksum was not flushed. A scenario that cuts the power while something is
# written uses MODE J: the journal holds a copy of the block and the checksum of that copy, so
# blocks are old or new, but pages that change are not noticed.
CHECKER=/dev/mapper/checker
checker_new() {
	checker_parts "$1"
	dd if=/dev/zero of=/dev/mapper/tags bs=64k count=1 status=none conv=fsync
	checker_join "$@"
	# Every block gets a checksum; without one the first read of a block fails.
	dd if=/dev/zero of=$CHECKER bs=1M count="$1" oflag=direct status=none
}

# checker_parts SIZE_MB, checker_join SIZE_MB [MODE]: make the two devices below the checker, and
# the checker with the content of these.
checker_parts() {
	modprobe -a dm-integrity crc32c
	dm_linear slow /dev/vda 0 "$1"
	dm_linear tags /dev/vda "$1" 32
}
checker_join() {
	local options="meta_device:/dev/mapper/tags internal_hash:crc32c block_size:512"
	dm_new checker \
		"0 $(($1 * 2048)) integrity /dev/mapper/slow 0 4 ${2:-D} 3 $options"
	want_stable $CHECKER
}

# ---- md --------------------------------------------------------------------

# md_new LEVEL DEVICE...: makes /dev/md0. (The array is in sync, as the disks are all zero.)
md_new() {
	local level=$1 options=()
	shift
	if [[ $level != 1 ]]; then
		options+=(--chunk=64)
	fi
	if [[ $level != 0 ]]; then
		options+=(--bitmap=none)
	fi
	modprobe -q "raid$level" || modprobe raid456
	mdadm --create /dev/md0 --run --assume-clean --metadata=1.0 --level="$level" \
		"${options[@]}" --raid-devices=$# "$@" 2>&1
	wait_for 10 test -b /dev/md0 || fail "no /dev/md0"
	# Never mark it clean, or the next write waits for all superblocks first.
	if [[ -e /sys/block/md0/md/safe_mode_delay ]]; then
		echo 0 >/sys/block/md0/md/safe_mode_delay
	fi
}

# md_check: reads all of the array and compares the mirrors, or data and parity.
md_check() {
	local sectors
	echo check >/sys/block/md0/md/sync_action
	wait_for 60 grep -qx idle /sys/block/md0/md/sync_action ||
		fail "the check of md0 does not end"
	sectors=$(</sys/block/md0/md/mismatch_cnt)
	info "md0: $sectors sectors do not match"
	[[ $sectors == 0 ]] || fail "$sectors sectors of the array do not match"
}

# ---- scsi_debug with protection information --------------------------------

# dif_new SIZE_MB [PARAMETER]...: a disk for which the block layer makes a guard tag for each
# sector at submission (DIX), and which checks the tag when the write arrives (DIF type 1). A
# host adapter in recovery leaves requests where they are: after their tags were made and before
# the device gets them. Sets DIF (the device), DIF_HOLD and DIF_RELEASE (steps for pinrace).
dif_new() {
	modprobe -q sd_mod || true	# no udev here
	modprobe scsi_debug dif=1 dix=1 "dev_size_mb=$1" delay=0 "${@:2}"
	wait_for 10 scsi_debug_disk || fail "scsi_debug made no disk"
	DIF=/dev/$(scsi_debug_disk)
	wait_for 10 test -b "$DIF" || fail "no $DIF"
	DIF_STATE=$(readlink -f "/sys/block/${DIF#/dev/}/device")
	DIF_STATE=$(echo "$DIF_STATE"/../../scsi_host/host*/state)
	[[ -w $DIF_STATE ]] || fail "no $DIF_STATE"
	DIF_HOLD="sh=echo recovery >$DIF_STATE"
	DIF_RELEASE="sh=echo running >$DIF_STATE"
	[[ $(<"/sys/block/${DIF#/dev/}/integrity/write_generate") == 1 ]] ||
		fail "$DIF has no protection information"
}

# scsi_debug_disk: prints the name of the disk.
scsi_debug_disk() {
	local model
	for model in /sys/block/sd*/device/model; do
		if grep -qs scsi_debug "$model"; then
			model=${model%/device/model}
			echo "${model##*/}"
			return 0
		fi
	done
	return 1
}

# ---- filesystems -----------------------------------------------------------

# no_flusher: only data that the scenario syncs is written. (With 0 here the kernel would wake the
# flusher as soon as an inode is dirty, and the flusher writes if the device is new.)
no_flusher() { echo 360000 >/proc/sys/vm/dirty_writeback_centisecs; }

# fs_new TYPE DEVICE DIRECTORY [MKFS_OPTION]...: makes a small filesystem and mounts it. Only
# data that the scenario syncs is written to it.
fs_new() {
	local type=$1 device=$2 directory=$3
	shift 3
	no_flusher
	case $type in
	ext4)
		mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$@" "$device"
		;;
	xfs)
		if [[ $(uname -r) == 5.[0-9].* ]]; then
			# features that this kernel does not know
			set -- -m bigtime=0,inobtcount=0 "$@"
		fi
		# With these variables mkfs.xfs makes a filesystem as small as ours.
		TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1 mkfs.xfs -q -f -K "$@" "$device"
		;;
	btrfs) mkfs.btrfs -q -f -K "$@" "$device" ;;
	*) mkfs."$type" "$@" "$device" >/dev/null ;;
	esac
	mkdir -p "$directory"
	mount -t "$type" "$device" "$directory"
}

# requires_fs TYPE...: the kernel has it, and there is a mkfs for it.
requires_fs() {
	local type
	for type; do
		need_cmd "mkfs.$type"
		need_fs "$type"
	done
}

# ---- results ---------------------------------------------------------------

# counted NAME "LINE": prints the number behind NAME in a line of pagecheck.
counted() {
	[[ $2 =~ (^| )$1\ ([0-9]+) ]] || fail "pagecheck said '$2'"
	echo "${BASH_REMATCH[2]}"
}

# expect_pages WHAT "LINE" KIND...: every page is of one of these kinds.
expect_pages() {
	local what=$1 line=$2 kind sum=0
	shift 2
	info "$what: $line"
	for kind; do
		sum=$((sum + $(counted "$kind" "$line")))
	done
	[[ $sum == "$(counted pages "$line")" ]] || fail "$what: $line"
}

# mark_bounced, then expect_bounced N [exactly]: a patched kernel has bounced at least N pages
# in between. (A page can be bounced more than once, by block.)
bounced_now() {
	cat /proc/sys/vm/stat_refresh >/dev/null
	bounced
}
mark_bounced() { BOUNCED_MARK=$(bounced_now); }
bounced_since_mark() { echo $(($(bounced_now) - BOUNCED_MARK)); }
expect_bounced() {
	local count
	if ! is_patched; then
		return 0
	fi
	count=$(bounced_since_mark)
	info "$count pages bounced"
	if [[ ${2:-} == exactly ]]; then
		[[ $count == "$1" ]] || fail "$count pages bounced instead of $1"
	else
		((count >= $1)) || fail "$count pages bounced, at least $1 were pinned"
	fi
}

# ---- the race --------------------------------------------------------------

# held_race FILE LEN HOLD_STEP RELEASE_STEP [PINRACE_OPTION]...: FILE is mapped and dirtied
# (generation 1); a direct read holds its pages; fsync() submits its writes, which HOLD_STEP
# keeps waiting; the read lands; RELEASE_STEP. Fails if fsync() does.
held_race() {
	local file=$1 len=$2 hold=$3 release=$4
	shift 4
	mark_bounced
	dm_hold source
	pinrace -f "$file" -l "$len" -s $SOURCE "$@" \
		dirty=1 read "$hold" 'fsync&' wb settle=1000 "sh=$RELEASE source" reap \
		"$release" join | tee /run/race
	grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
}

# mapped_race WHAT FILE [STEP...]: FILE is mapped and dirtied (generation 1), a direct read holds
# its pages, fsync() writes them and cleans them, the read lands, and fsync() has to save what was
# read. Steps are done before this last fsync(). mapped_check WHAT FILE: compares it, and adds a
# line to /run/mapped: "ok WHAT", or else "not ok WHAT" with the reason. mapped_read: both.
# mapped_expect N: all of N races are ok.
MAPPED_LEN=256k
mapped_race() {
	local what=$1 file=$2
	shift 2
	fillpat -l $MAPPED_LEN "$file"
	sync "$file"
	dm_hold source
	pinrace -f "$file" -l $MAPPED_LEN -s $SOURCE dirty=1 read fsync \
		"sh=$RELEASE source" reap "$@" fsync >/run/race 2>&1 || true
	dm_release source
	sync
}
mapped_check() {
	local line
	line="$(tr '\n' ' ' </run/race)$(pagecheck -g 1 -l $MAPPED_LEN "$2" 2>&1)"
	if [[ $line == "fsync ok fsync ok pages 64 "*" new 64 "* ]]; then
		line=''
	fi
	mapped_result "$1" "$line"
}
mapped_read() {
	mapped_race "$@"
	echo 3 >/proc/sys/vm/drop_caches
	mapped_check "$1" "$2"
}

# mapped_unmapped WHAT FILE: as mapped_read, but FILE is unmapped before the data arrives, and no
# other descriptor can write to it. Then the data is saved, or the last fsync() fails.
mapped_unmapped() {
	fillpat -l $MAPPED_LEN "$2"
	sync "$2"
	dm_hold source
	pinrace -f "$2" -l $MAPPED_LEN -s $SOURCE dirty=1 read fsync unmap \
		"sh=$RELEASE source" reap 'sh=sync' fsync >/run/race 2>&1 || true
	dm_release source
	if [[ $(tr '\n' ' ' </run/race) == 'fsync ok fsync E'* ]]; then
		mapped_result "$1" ''
	else
		echo 3 >/proc/sys/vm/drop_caches
		mapped_check "$1" "$2"
	fi
}

mapped_result() { echo "${2:+not }ok $1${2:+: $2}" | tee -a /run/mapped; }
mapped_expect() {
	local failed
	failed=$(grep -c '^not ok' /run/mapped) || true
	info "ok: $(sed -n 's/^ok //p' /run/mapped | tr '\n' ';')"
	(($(wc -l </run/mapped) == $1)) || fail "error: not $1 races: $(tail -n 1 /run/mapped)"
	((failed == 0)) ||
		fail "$failed of $1 races: $(sed -n 's/^not ok //p' /run/mapped | tr '\n' ';')"
}

# dif_race TYPE SIZE_MB LEN [MKFS_OPTION]...: the race on a disk with protection information;
# passes if the disk took every write and has the data that was dirty when fsync() was called.
dif_race() {
	local type=$1 size=$2 len=$3
	shift 3
	source_new 2
	dif_new "$size"
	fs_new "$type" "$DIF" /mnt "$@"
	fillpat -l "$len" /mnt/data
	sync
	# The read covers the last page in full, beyond the end of the file.
	held_race /mnt/data "$len" "$DIF_HOLD" "$DIF_RELEASE" \
		-r "0:$(((len + 4095) / 4096 * 4096))"
	expect_pages "data on the disk" "$(pagecheck -g 1 -d "$DIF" /mnt/data)" old
	expect_bounced $(((len + 4095) / 4096))
}

# checker_race TYPE SIZE_MB LEN [PINRACE_OPTION]...: the race on a device that notices when
# data changes between submission and completion.
checker_race() {
	local type=$1 size=$2 len=$3
	shift 3
	source_new 2
	checker_new "$size"
	fs_new "$type" $CHECKER /mnt
	fillpat -l "$len" /mnt/data
	sync
	echo 3 >/proc/sys/vm/drop_caches
	held_race /mnt/data "$len" "sh=$HOLD slow" "sh=$RELEASE slow" "$@"
	expect_pages "data on the device" "$(pagecheck -g 1 -d $CHECKER /mnt/data)" old
	expect_bounced $((len / 4096))
}

# ---- no memory -------------------------------------------------------------

# no_bounce_memory PERCENT: so often the allocator of bounce pages finds no memory, and no other
# allocator does. bounce_failures: prints how often it found none.
INJECT=/sys/kernel/debug/fail_function
INJECT_TIMES=1000000
no_bounce_memory() {
	grep -q bounce_page_alloc $INJECT/injectable ||
		skip "bounce_page_alloc cannot be made to fail"
	if [[ ! -d $INJECT/bounce_page_alloc ]]; then
		echo bounce_page_alloc >$INJECT/inject
	fi
	printf '%#x' 0 >$INJECT/bounce_page_alloc/retval
	echo N >$INJECT/task-filter
	echo 0 >$INJECT/interval
	echo 0 >$INJECT/verbose
	echo $INJECT_TIMES >$INJECT/times
	echo "$1" >$INJECT/probability
}
bounce_failures() { echo $((INJECT_TIMES - $(<$INJECT/times))); }

# nomem_race TYPE: four files of 512 pages, every page held by a direct read that does not end;
# four fsync() at once, with no memory for copies but the reserve. First every second allocation
# fails, then all do. FIEMAP does not say where blocks of btrfs are, so there the pins outlive
# run(), and nomem_verify reads the data after a power cut.
nomem_race() {
	local type=$1 percent i failures
	source_new 2
	want_stable /dev/vda
	dm_linear disk /dev/vda 0 256
	fs_new "$type" /dev/mapper/disk /mnt
	fillpat -l 2m /mnt/{1,2,3,4}
	for percent in 50 100; do
		mark_bounced
		dm_hold source
		no_bounce_memory $percent
		rm -f /run/go /run/nomem.*
		for i in 1 2 3 4; do
			pinrace -f /mnt/$i -l 2m -s $SOURCE dirty=$percent read fsync \
				"sh=until [ -e /run/go ]; do sleep 0.2; done" reap \
				>/run/nomem.$i 2>&1 &
		done
		wait_for 60 all_synced || fail "fsync hangs: $(cat /run/nomem.*)"
		failures=$(bounce_failures)
		echo 0 >$INJECT/probability
		info "$type, $percent %: $failures allocations failed"
		((failures > 100)) || fail "no allocation failed"
		expect_bounced 2048
		if [[ $type != btrfs ]]; then
			expect_pages "$type, on the disk" \
				"$(pagecheck -g $percent -d /dev/mapper/disk /mnt/{1,2,3,4})" old
		elif ((percent == 100)); then
			return
		fi
		dm_release source
		touch /run/go
		wait
		sync
	done
}
all_synced() { [[ $(cat /run/nomem.* | grep -cx 'fsync ok') == 4 ]]; }

nomem_verify() {
	dm_linear disk /dev/vda 0 256
	mount -t "$1" /dev/mapper/disk /mnt
	expect_pages "$1, after the power cut" "$(pagecheck -g 100 /mnt/{1,2,3,4})" old
}

# ---- fio -------------------------------------------------------------------

# fio_error FILE: prints the first line with which fio reports a failure there.
fio_error() { grep -m 1 -E 'verify: bad|verify failed|error=|err= *[1-9]|fio:' "$1"; }

# fio_verify TYPE: data is written and read back through buffers that are a mapped file, while
# that file is synced in a loop on a device with stable_writes.
fio_verify() {
	local type=$1 syncer
	want_stable /dev/vda
	# Reads take 20 ms, so that a sync meets buffers that are being read into.
	modprobe dm-delay
	dm_new disk "0 $((320 * 2048)) delay /dev/vda 0 20 /dev/vda 0 0"
	fs_new "$type" /dev/mapper/disk /mnt
	truncate -s 16m /mnt/data
	fillpat -l 4m /mnt/mem
	mark_bounced
	while :; do sync /mnt/mem; done &
	syncer=$!
	# How often a sync meets a read is left to chance; once it has to.
	for _ in 1 2 3 4 5; do
		fio --name=verify --filename=/mnt/data --size=16m --direct=1 --rw=randwrite \
			--bsrange=4k-128k --ioengine=libaio --iodepth=8 \
			--iomem=mmapshared:/mnt/mem --verify=crc32c --verify_fatal=1 --do_verify=1 \
			--randseed=2 --loops=6 --thread --eta=never >/out/fio.txt 2>&1 ||
			fail "fio: $(fio_error /out/fio.txt)"
		if ! is_patched || (($(bounced_since_mark) > 0)); then
			break
		fi
	done
	kill $syncer
	wait $syncer || true
	sync
	expect_bounced 1
	echo 3 >/proc/sys/vm/drop_caches
	cat /mnt/mem /mnt/data >/dev/null || fail "a file cannot be read back"
}
