# shellcheck shell=bash
# Helpers for scenarios, by kind of device; sourced by guest/run after lib.sh.
#
# No race here is left to timing. A device that can be held takes I/O and does
# not go on with it until it is released, so a scenario can say: the read is
# submitted and its pages are held, the fsync has submitted its writes, now the
# read lands, now the writes go out.

# ---- device mapper ---------------------------------------------------------

# dm_new NAME TABLE: a device /dev/mapper/NAME.
dm_new() {
	dmsetup create "$1" --table "$2"
	dmsetup mknodes "$1" >/dev/null
	[[ -b /dev/mapper/$1 ]] || fail "no /dev/mapper/$1"
}

# dm_linear NAME DEVICE [START_MB SIZE_MB]: a part of a device, that can be held.
dm_linear() {
	local start=$((${3:-0} * 2048)) size=${4:+$(($4 * 2048))}
	dm_new "$1" "0 ${size:-$(blockdev --getsz "$2")} linear $2 $start"
}

# dm_hold NAME, dm_release NAME: I/O that comes in between waits inside the
# device. The file system on top is not frozen and nothing is flushed.
dm_hold() { dmsetup suspend --noflush --nolockfs "$1"; }
dm_release() { dmsetup resume "$1"; }
# The same for a step of pinrace.
HOLD='dmsetup suspend --noflush --nolockfs'
RELEASE='dmsetup resume'

# queue_set DEVICE ATTRIBUTE VALUE: a file below its queue/ in sysfs.
queue_set() { echo "$3" >"/sys/dev/block/$(stat -Lc %Hr:%Lr "$1")/queue/$2"; }

# want_stable DEVICE: its content must not change under I/O (before mount!).
want_stable() {
	if [[ -e /sys/dev/block/$(stat -Lc %Hr:%Lr "$1")/queue/stable_writes ]]; then
		queue_set "$1" stable_writes 1
	else
		modprobe set_stable
		echo "$1" >/sys/module/set_stable/parameters/device
	fi
}

# source_new SIZE_MB: /dev/mapper/source, where direct reads come from, on the
# second disk; holds the pattern of the source.
SOURCE=/dev/mapper/source
source_new() {
	fillpat -w S -l "$1m" /dev/vdb
	dm_linear source /dev/vdb 0 "$1"
}

# checker_new SIZE_MB [MODE]: /dev/mapper/checker, a device that compares what
# it got at submission with what it got at completion: dm-integrity writes
# without a journal, so the checksum is that of the page when the bio comes in,
# and the data is whatever the page holds when the device below, "slow", takes
# it. A later read of a block that changed in between is an error (EILSEQ). The
# checksums are on another device, which is never held.
# Without a journal (MODE D, the default) a block is unreadable after a power cut
# if its data was written and its checksum not flushed. Scenarios that cut the power
# while anything is written use MODE J: the journal holds a copy of the block and the
# checksum of that copy, so blocks are old or new, but changing pages go unnoticed.
CHECKER=/dev/mapper/checker
checker_new() {
	checker_parts "$1"
	dd if=/dev/zero of=/dev/mapper/tags bs=64k count=1 status=none conv=fsync
	checker_join "$@"
	# Every block gets a checksum, or the first read of it fails.
	dd if=/dev/zero of=$CHECKER bs=1M count="$1" oflag=direct status=none
}

# checker_parts SIZE_MB, checker_join SIZE_MB [MODE]: the two disks it is made of, and
# the device on them, with what they hold.
checker_parts() {
	modprobe -a dm-integrity crc32c
	dm_linear slow /dev/vda 0 "$1"
	dm_linear tags /dev/vda "$1" 32
}
checker_join() {
	dm_new checker \
		"0 $(($1 * 2048)) integrity /dev/mapper/slow 0 4 ${2:-D} 3 meta_device:/dev/mapper/tags internal_hash:crc32c block_size:512"
	want_stable $CHECKER
}

# ---- md --------------------------------------------------------------------

# md_new LEVEL DEVICE...: /dev/md0, in sync (the disks are all zero).
md_new() {
	local level=$1 chunk=()
	shift
	[[ $level == 1 ]] || chunk=(--chunk=64)
	modprobe -q "raid$level" || modprobe raid456
	mdadm --create /dev/md0 --run --assume-clean --metadata=1.0 --level="$level" \
		"${chunk[@]}" --bitmap=none --raid-devices=$# "$@" 2>&1
	wait_for 10 test -b /dev/md0 || fail "no /dev/md0"
	# Never mark it clean, or the next write waits for all superblocks first.
	echo 0 >/sys/block/md0/md/safe_mode_delay
}

# md_check: reads all of it and compares the mirrors, or data and parity.
md_check() {
	local n
	echo check >/sys/block/md0/md/sync_action
	wait_for 60 grep -qx idle /sys/block/md0/md/sync_action || fail "the check of md0 does not end"
	n=$(</sys/block/md0/md/mismatch_cnt)
	info "md0: $n sectors do not match"
	[[ $n == 0 ]] || fail "$n sectors of the array do not match"
}

# ---- scsi_debug with protection information --------------------------------

# dif_new SIZE_MB: a disk that has the block layer make a guard tag for each
# sector at submission (DIX) and checks it when the write arrives (DIF type 1).
# A host adapter in recovery leaves requests where they are: after their tags
# were made and before the device gets them. Sets DIF (the device), DIF_HOLD and
# DIF_RELEASE (steps for pinrace).
dif_new() {
	modprobe -q sd_mod || true	# no udev here
	modprobe scsi_debug dif=1 dix=1 "dev_size_mb=$1" delay=0 "${@:2}"
	wait_for 10 scsi_debug_disk || fail "scsi_debug made no disk"
	DIF=/dev/$(scsi_debug_disk)
	wait_for 10 test -b "$DIF" || fail "no $DIF"
	DIF_STATE=$(echo "$(readlink -f "/sys/block/${DIF#/dev/}/device")"/../../scsi_host/host*/state)
	[[ -w $DIF_STATE ]] || fail "no $DIF_STATE"
	DIF_HOLD="sh=echo recovery >$DIF_STATE"
	DIF_RELEASE="sh=echo running >$DIF_STATE"
	[[ $(<"/sys/block/${DIF#/dev/}/integrity/write_generate") == 1 ]] ||
		fail "$DIF has no protection information"
}

# The name of the disk, on standard output.
scsi_debug_disk() {
	local m
	for m in /sys/block/sd*/device/model; do
		if grep -qs scsi_debug "$m"; then
			m=${m%/device/model}
			echo "${m##*/}"
			return 0
		fi
	done
	return 1
}

# ---- file systems ----------------------------------------------------------

# no_flusher: nothing is written but what the scenario syncs. With 0 the flusher would be
# woken as soon as an inode is dirty, and write if the device is new.
no_flusher() { echo 360000 >/proc/sys/vm/dirty_writeback_centisecs; }

# fs_new TYPE DEVICE DIRECTORY [MKFS_OPTION]...: a small file system, mounted.
# Nothing is written to it but what the scenario syncs.
fs_new() {
	local type=$1 dev=$2 dir=$3
	shift 3
	no_flusher
	case $type in
	ext4) mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0,nodiscard "$@" "$dev" ;;
	xfs) # smaller than mkfs wants a file system of ours to be
		# ... and without what its kernel does not know yet
		[[ $(uname -r) != 5.[0-9].* ]] || set -- -m bigtime=0,inobtcount=0 "$@"
		TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1 mkfs.xfs -q -f -K "$@" "$dev" ;;
	btrfs) mkfs.btrfs -q -f -K "$@" "$dev" ;;
	*) mkfs."$type" "$@" "$dev" >/dev/null ;;
	esac
	mkdir -p "$dir"
	mount -t "$type" "$dev" "$dir"
}

# requires_fs TYPE...: its kernel side and its mkfs.
requires_fs() {
	local f
	for f; do need_cmd "mkfs.$f"; need_fs "$f"; done
}

# ---- results ---------------------------------------------------------------

# counted NAME "LINE": the number behind NAME in what pagecheck printed.
counted() {
	[[ $2 =~ (^| )$1\ ([0-9]+) ]] || fail "pagecheck said '$2'"
	echo "${BASH_REMATCH[2]}"
}

# expect_pages WHAT "LINE" KIND...: every page is of one of these kinds.
expect_pages() {
	local what=$1 line=$2 k sum=0
	shift 2
	info "$what: $line"
	for k; do sum=$((sum + $(counted "$k" "$line"))); done
	[[ $sum == "$(counted pages "$line")" ]] || fail "$what: $line"
}

# mark_bounced, then expect_bounced N [exactly]: a patched kernel has bounced at
# least N pages since. (One page can be bounced more than once: by block.)
bounced_now() { cat /proc/sys/vm/stat_refresh >/dev/null; bounced; }
mark_bounced() { BOUNCED0=$(bounced_now); }
expect_bounced() {
	is_patched || return 0
	local n=$(($(bounced_now) - BOUNCED0))
	info "$n pages bounced"
	if [[ ${2:-} == exactly ]]; then
		[[ $n == "$1" ]] || fail "$n pages bounced instead of $1"
	else
		((n >= $1)) || fail "$n pages bounced, at least $1 were pinned"
	fi
}

# ---- the race --------------------------------------------------------------

# held_race FILE LEN HOLD_STEP RELEASE_STEP [PINRACE_OPTION]...: FILE is mapped and
# dirtied (generation 1); a direct read holds its pages; fsync() submits its
# writes, which HOLD_STEP keeps waiting; the read lands; RELEASE_STEP. Fails
# if fsync() does.
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

# dif_race TYPE SIZE_MB LEN [MKFS_OPTION]...: the race on a disk with protection
# information; passes if the disk took every write and holds what was dirty
# when fsync() was called.
dif_race() {
	local type=$1 size=$2 len=$3
	shift 3
	source_new 2
	dif_new "$size"
	fs_new "$type" "$DIF" /mnt "$@"
	fillpat -l "$len" /mnt/data
	sync
	# The read covers the last page in full, beyond the end of the file.
	held_race /mnt/data "$len" "$DIF_HOLD" "$DIF_RELEASE" -r "0:$(((len + 4095) / 4096 * 4096))"
	expect_pages "data on the disk" "$(pagecheck -g 1 -d "$DIF" /mnt/data)" old
	expect_bounced $(((len + 4095) / 4096))
}

# checker_race TYPE SIZE_MB LEN [PINRACE_OPTION]...: the race on a device that
# notices when data changes between submission and completion.
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

# no_bounce_memory PERCENT: so often the allocator of bounce pages, and nobody
# else, is told that there is no memory. bounce_failures: how often it was.
INJECT=/sys/kernel/debug/fail_function
INJECT_TIMES=1000000
no_bounce_memory() {
	grep -q bounce_page_alloc $INJECT/injectable || skip "bounce_page_alloc cannot be made to fail"
	[[ -d $INJECT/bounce_page_alloc ]] || echo bounce_page_alloc >$INJECT/inject
	printf '%#x' 0 >$INJECT/bounce_page_alloc/retval
	echo N >$INJECT/task-filter
	echo 0 >$INJECT/interval
	echo 0 >$INJECT/verbose
	echo $INJECT_TIMES >$INJECT/times
	echo "$1" >$INJECT/probability
}
bounce_failures() { echo $((INJECT_TIMES - $(<$INJECT/times))); }

# nomem_race TYPE: four files of 512 pages, every page held by a direct read that
# does not end; four fsync() at once, with no memory for copies but the reserve.
# First with every second allocation failing, then with all. Blocks of btrfs are
# not where FIEMAP says: there the pins outlive run(), and verify() reads the data
# after a power cut (nomem_verify).
nomem_race() {
	local type=$1 percent n failures
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
		for n in 1 2 3 4; do
			pinrace -f /mnt/$n -l 2m -s $SOURCE dirty=$percent read fsync \
				"sh=until [ -e /run/go ]; do sleep 0.2; done" reap >/run/nomem.$n 2>&1 &
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

# fio_verify TYPE: data written and read back through buffers that are a mapped
# file, while that file is synced in a loop on a device with stable_writes.
fio_verify() {
	local type=$1 syncer
	want_stable /dev/vda
	# Reads that last, so that a sync meets buffers that are being read into.
	modprobe dm-delay
	dm_new disk "0 $((320 * 2048)) delay /dev/vda 0 20 /dev/vda 0 0"
	fs_new "$type" /dev/mapper/disk /mnt
	truncate -s 16m /mnt/data
	fillpat -l 4m /mnt/mem
	mark_bounced
	while :; do sync /mnt/mem; done &
	syncer=$!
	# How often a sync meets a read is up to timing; once it has to.
	for _ in 1 2 3 4 5; do
		fio --name=verify --filename=/mnt/data --size=16m --direct=1 --rw=randwrite \
			--bsrange=4k-128k --ioengine=libaio --iodepth=8 --iomem=mmapshared:/mnt/mem \
			--verify=crc32c --verify_fatal=1 --do_verify=1 --randseed=2 --loops=6 \
			--thread --eta=never >/out/fio.txt 2>&1 || fail "fio: $(grep -m 1 -E 'verify: bad|verify failed|error=|err= *[1-9]' /out/fio.txt)"
		if ! is_patched || (($(bounced_now) > BOUNCED0)); then break; fi
	done
	kill $syncer
	wait $syncer || true
	sync
	expect_bounced 1
	echo 3 >/proc/sys/vm/drop_caches
	cat /mnt/mem /mnt/data >/dev/null || fail "a file cannot be read back"
}
