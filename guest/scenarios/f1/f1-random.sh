# shellcheck shell=bash disable=SC2034
# F1 (see f1-btrfs-powercut) a hundred times with random offsets, lengths and
# times, on devices that are slow rather than held; one power cut for all. On a
# stock kernel about every second round leaves unreadable pages.
# To repeat a run: GUEST_CMDLINE=pw.seed=N.
DESC="100 random rounds of F1, one power cut"
TIMEOUT=180
STOCK=fail
ROUNDS=100

requires() { need_cmd dmsetup; need_mod dm-delay; requires_fs btrfs; }

# One round: a window of the file is mapped and dirtied, up to three direct
# reads go into it, fsync() starts at a random time around their completion.
round() {
	local n=$1 pages=$2 off=$3 len=$4 wait=$5
	pinrace -f "/mnt/$n" -o "$((off * 4096))" -l "$((pages * 4096))" -s "$SOURCE" \
		-r "$len:$((pages * 4096 - len))" ${6:+-r "0:$6"} \
		dirty=1 read "msleep=$wait" fsync reap
}

run() {
	local seed i pages len
	seed=$(param seed)
	RANDOM=${seed:=$SRANDOM}
	info "seed $seed"
	save seed "$seed"

	modprobe dm-delay
	fillpat -w S -l 1m /dev/vdb
	dm_new source "0 2048 delay /dev/vdb 0 150"
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	# shellcheck disable=SC2046 # one word a file
	fillpat -l 256k $(seq -f /mnt/%g $ROUNDS)
	sync
	# Only now make the disk slow: 80 ms a write.
	dmsetup suspend --noflush --nolockfs disk
	dmsetup reload disk --table "0 $((512 * 2048)) delay /dev/vda 0 0 /dev/vda 0 80"
	dmsetup resume disk

	for ((i = 1; i <= ROUNDS; i++)); do
		pages=$((RANDOM % 32 + 1))
		len=$((RANDOM % (pages * 8) * 512))
		round "$i" "$pages" "$((RANDOM % 32))" "$len" "$((RANDOM % 200))" "$((len * (RANDOM % 2)))" >>/run/rounds &
		((i % 6)) || wait
	done
	wait
	[[ $(grep -cx 'fsync ok' /run/rounds) == "$ROUNDS" ]] ||
		fail "of $ROUNDS fsync: $(sort /run/rounds | uniq -c | tr '\n' ' ')"
}

verify() {
	local line
	info "seed $(load seed)"
	dm_linear disk /dev/vda 0 512
	mount -t btrfs /dev/mapper/disk /mnt
	# What a round did not map is of generation 0.
	# shellcheck disable=SC2046
	line=$(pagecheck -e -g 1 $(seq -f /mnt/%g $ROUNDS))
	expect_pages "$ROUNDS files after the power cut" "$line" old new torn
}
