# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# An SMB server inside the guest: Debian's smbd, with one share for its user root. (The kernel's
# own server, ksmbd, needs newer tools than Debian 12 has.)

requires_smbd() {
	need_cmd smbd smbpasswd mount.cifs
	need_mod cifs
}

# smbd_start SHARE DIRECTORY [SETTING...]: returns when the server listens.
smbd_start() {
	local share=$1 directory=$2
	shift 2
	etc_names localhost guest
	mkdir -p /run/samba/{private,state,cache,lock,ncalrpc}
	{
		printf '[global]\nserver role = standalone server\nnetbios name = GUEST\n'
		printf '%s = /run/samba/%s\n' 'private dir' private 'state directory' state \
			'cache directory' cache 'lock directory' lock 'pid directory' lock \
			'ncalrpc dir' ncalrpc 'log file' smbd.log
		printf '%s\n' 'disable netbios = yes' 'smb ports = 445' 'load printers = no' \
			'disable spoolss = yes' "$@"
		printf '[%s]\npath = %s\nread only = no\ncreate mask = 0666\n' "$share" "$directory"
	} >/run/samba/smb.conf
	printf 'secret\nsecret\n' |
		smbpasswd -c /run/samba/smb.conf -L -s -a root >/run/samba/passwd.log 2>&1 ||
		fail "error: smbpasswd: $(tail -n 1 /run/samba/passwd.log)"
	smbd -F --no-process-group -s /run/samba/smb.conf >/run/samba/out.log 2>&1 &
	modprobe cifs
	wait_for 60 smbd_listens || fail "error: smbd does not listen:" \
		"$(tail -n 1 /run/samba/smbd.log /run/samba/out.log)"
}
smbd_listens() { (exec 3<>/dev/tcp/127.0.0.1/445) 2>/dev/null; }

# smbd_mount DIRECTORY SHARE OPTIONS
smbd_mount() {
	local options="username=root,password=secret,$3"
	mount -t cifs -o "$options" "//127.0.0.1/$2" "$1" 2>/run/samba/mount.log ||
		fail "error: mount of SMB with $3: $(grep -m 1 error /run/samba/mount.log)," \
			"$(dmesg | grep CIFS | tail -n 1)"
}
