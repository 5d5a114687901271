# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# F1 (see f1-btrfs-powercut) a hundred times with random offsets, lengths and times, on devices
# that are slow rather than held, and one power cut for all.
# Stock: about every second round leaves unreadable pages, some hundred in all. Patched: none.
# GUEST_CMDLINE=pw.seed=N repeats the rounds of a seed, but not the timing of the devices.
DESC="F1: 100 random rounds on slow devices, one power cut"
TIMEOUT=180
STOCK=fail
ROUNDS=100

requires() {
	need_cmd dmsetup
	need_mod dm-delay
	requires_fs btrfs
}

# random_round NUMBER: a window of the file is mapped and dirtied, up to three direct reads go into
# it, and fsync() starts at a random time around their completion. Runs in the background; the
# random numbers are drawn before.
random_round() {
	local number=$1 pages length offset pause reads second
	pages=$((RANDOM % 32 + 1))
	length=$((RANDOM % (pages * 8) * 512))
	offset=$((RANDOM % 32))
	pause=$((RANDOM % 200))
	second=$((length * (RANDOM % 2)))
	reads=(-r "$length:$((pages * 4096 - length))" -r "0:$second")
	pinrace -f "/mnt/$number" -o "$((offset * 4096))" -l "$((pages * 4096))" -s "$SOURCE" \
		"${reads[@]}" dirty=1 read "msleep=$pause" fsync reap >>/run/rounds &
}

run() {
	local seed i
	seed=$(param seed)
	RANDOM=${seed:=$SRANDOM}
	info "seed $seed"
	save_state seed "$seed"

	modprobe dm-delay
	fillpat -w S -l 1m /dev/vdb
	dm_new source "0 2048 delay /dev/vdb 0 150"
	dm_linear disk /dev/vda 0 512
	fs_new btrfs /dev/mapper/disk /mnt
	# shellcheck disable=SC2046 # one word a file
	fillpat -l 256k $(seq -f /mnt/%g $ROUNDS)
	sync
	# Only now make the disk slow: 80 ms a write.
	dm_hold disk
	dmsetup reload disk --table "0 $((512 * 2048)) delay /dev/vda 0 0 /dev/vda 0 80"
	dm_release disk

	for ((i = 1; i <= ROUNDS; i++)); do
		random_round "$i"
		if ((i % 6 == 0)); then
			wait
		fi
	done
	wait
	[[ $(grep -cx 'fsync ok' /run/rounds) == "$ROUNDS" ]] ||
		fail "of $ROUNDS fsync: $(sort /run/rounds | uniq -c | tr '\n' ' ')"
}

verify() {
	local line
	info "seed $(load_state seed)"
	dm_linear disk /dev/vda 0 512
	mount -t btrfs /dev/mapper/disk /mnt
	# The part that a round did not map is of generation 0.
	# shellcheck disable=SC2046
	line=$(pagecheck -e -g 1 $(seq -f /mnt/%g $ROUNDS))
	expect_pages "$ROUNDS files after the power cut" "$line" old new torn
}
