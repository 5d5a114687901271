# shellcheck shell=bash disable=SC2034
# A hole is punched in a large folio of XFS beside pages that a device writes to. The
# folio is clean and cannot be split, so that a stock kernel drops it, with what the
# device brings.
DESC="a hole beside pages that a direct read writes to leaves these alone"
ONLY="6.1"

requires() { need_cmd dmsetup; need_mod dm-delay; requires_fs xfs; }

run() {
	local line
	modprobe dm-delay
	fs_new xfs /dev/vda /mnt
	dm_new slow "0 32768 delay /dev/vdb 0 500 /dev/vdb 0 0"
	line=$(punchread /mnt/file /dev/mapper/slow) || fail "$line"
	info "$line"
	[[ $line != skip* ]] || fail "error: $line"
}
