# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# A device made of other devices or files asks for stable pages (queue/stable_writes) if one of
# these does and gets the pages themselves.
# dm-crypt asks if its cipher reads the data more than once.
# Stock: md, dm-writecache, dm-crypt and loop do not ask. Patched: they do.
DESC="queue/stable_writes of md, device mapper and loop is that of the layer below"
TIMEOUT=120
STOCK=fail
ONLY="6.1"
# The self-tests of Adiantum take a minute in an emulated machine.
CMDLINE="cryptomgr.notests=1"

# shellcheck source=guest/lib/stacked.sh
. /proj/guest/lib/stacked.sh

requires() {
	need_cmd dmsetup mdadm losetup chattr
	need_mod loop raid0 raid1 raid456 dm-writecache dm-crypt adiantum nhpoly1305 chacha_generic
	requires_fs ext4 btrfs
}

# expect_stable 0|1 WHAT DEVICE
WRONG=
expect_stable() {
	local is
	is=$(<"$(queue_of "$3")/stable_writes")
	info "$2: stable_writes $is"
	if [[ $is != "$1" ]]; then
		WRONG+="${WRONG:+, }$2"
	fi
}

check_md() {
	local level
	for level in 0 1 5; do
		md_new $level /dev/mapper/plain /dev/mapper/needs /dev/mapper/plain2
		expect_stable $((level != 5)) "RAID $level" /dev/md0
		mdadm --stop /dev/md0
		mdadm --zero-superblock /dev/mapper/{plain,plain2,needs}
	done
	md_new 1 /dev/mapper/plain missing
	expect_stable 0 "RAID 1 of other members" /dev/md0
	mdadm --manage /dev/md0 --add /dev/mapper/needs
	expect_stable 1 "RAID 1 with a new member" /dev/md0
	mdadm --stop /dev/md0
}

check_dm() {
	dm_linear above /dev/mapper/needs
	expect_stable 1 "dm-linear" /dev/mapper/above
	dmsetup remove above
	dd if=/dev/zero of=/dev/mapper/needs bs=64k count=1 status=none conv=fsync
	dm_new cached "0 131072 writecache s /dev/mapper/plain /dev/mapper/needs 4096 0"
	expect_stable 1 "dm-writecache" /dev/mapper/cached
	dmsetup remove cached
}

# check_crypt 0|1 CIPHER: a cipher with a key of 32 bytes.
check_crypt() {
	dm_new crypt "0 131072 crypt $2 $(printf '%064d' 1) 0 /dev/mapper/plain 0"
	expect_stable "$1" "dm-crypt, $2" /dev/mapper/crypt
	dmsetup remove crypt
}

# check_loop 0|1 WHAT FILE: with direct I/O, and never without.
check_loop() {
	loop_on "$3" on
	expect_stable "$1" "loop, $2" $LOOP
	loop_switch off
	expect_stable 0 "loop, buffered, $2" $LOOP
	loop_switch on
	expect_stable "$1" "loop, switched, $2" $LOOP
	losetup -d $LOOP
	expect_stable 0 "loop without a file" $LOOP
}

check_loops() {
	local fs want=1
	check_loop 1 "block device" /dev/mapper/needs
	check_loop 0 "other block device" /dev/mapper/plain
	for fs in needs plain; do
		fs_new ext4 /dev/mapper/$fs /mnt
		truncate -s 8m /mnt/image
		check_loop $want "ext4 on $fs" /mnt/image
		umount /mnt
		want=0
	done
	fs_new btrfs /dev/mapper/large /mnt -m single
	truncate -s 8m /mnt/image
	check_loop 1 "btrfs" /mnt/image
	mkdir /mnt/{nocow,upper,work,lower} /run/merged
	chattr +C /mnt/nocow
	truncate -s 8m /mnt/nocow/image /mnt/upper/image
	check_loop 0 "btrfs, no checksums" /mnt/nocow/image
	mount -t overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay \
		/run/merged
	check_loop 1 "overlayfs on btrfs" /run/merged/image
}

run() {
	dm_linear needs /dev/vda 0 64
	want_stable /dev/mapper/needs
	dm_linear plain /dev/vda 64 64
	dm_linear plain2 /dev/vda 128 64
	dm_linear large /dev/vda 192 256
	check_md
	check_dm
	modprobe -a adiantum nhpoly1305 chacha_generic
	check_crypt 0 aes-xts-plain64
	check_crypt 1 xchacha12,aes-adiantum-plain64
	check_loops
	[[ ! $WRONG ]] || fail "wrong: $WRONG"
}
