# shellcheck shell=bash disable=SC2034
# The disk fails the write of pages that are held by a direct read (on a patched
# kernel: of their copies). fsync() must say so, once.
# A stock kernel does; this keeps the bounce from losing or repeating an error.
DESC="an I/O error under a bounced write reaches fsync() exactly once"
TIMEOUT=120
STOCK=pass

requires() { need_cmd dmsetup fallocate filefrag; requires_fs ext4; }

run() {
	local first blocks size=$((64 * 2048)) expect="fsync EIO fsync ok"
	source_new 1
	want_stable /dev/vda
	dm_linear disk /dev/vda 0 64
	fs_new ext4 /dev/mapper/disk /mnt -b 4096
	fallocate -l 256k /mnt/data # one extent, whenever writeback comes
	fillpat -l 256k /mnt/data
	sync
	read -r first blocks < <(filefrag -v /mnt/data |
		awk -F '[:. ]+' '$2 == 0 && $3 == 0 { print $5, $7 }')
	[[ $blocks == 64 ]] || fail "the file is not in one piece: $(filefrag -v /mnt/data | tr '\n' ';')"
	first=$((first * 8)) blocks=$((blocks * 8))
	cat >/run/bad <<-END
		0 $first linear /dev/vda 0
		$first $blocks error
		$((first + blocks)) $((size - first - blocks)) linear /dev/vda $((first + blocks))
	END
	mark_bounced
	dm_hold source
	pinrace -f /mnt/data -l 256k -s "$SOURCE" dirty=1 read \
		"sh=$HOLD disk && dmsetup reload disk /run/bad && dmsetup resume disk" \
		fsync fsync "sh=$RELEASE source" reap | tee /run/race
	[[ $(tr '\n' ' ' </run/race) == "$expect " ]] || fail "$(tr '\n' ' ' </run/race)instead of $expect"
	expect_bounced 64
}
