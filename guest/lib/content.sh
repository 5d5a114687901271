# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # scenarios use them
# Helpers for scenarios about filesystems that read the content of pages themselves: servers on
# the loopback device, behind a proxy that can be held. Sourced by these scenarios.

# ---- a server that can be held ---------------------------------------------

# proxy_new PORT SERVER_PORT: starts a tcphold between a client and its server.
proxy_new() {
	# With small buffers a large message is stuck in the socket of its sender.
	echo "4096 16384 16384" >/proc/sys/net/ipv4/tcp_wmem
	echo "4096 16384 16384" >/proc/sys/net/ipv4/tcp_rmem
	mkfifo /run/proxy
	tcphold "$1" "$2" <>/run/proxy >/run/proxy.log 2>&1 &
	wait_for 10 grep -qs ready /run/proxy.log || fail "error: no tcphold: $(cat /run/proxy.log)"
	# proxy.sh COMMAND: returns when the command has taken effect.
	cat >/run/proxy.sh <<-'END'
	n=$(grep -cx "$1" /run/proxy.log)
	echo "$1" >/run/proxy
	until [ "$(grep -cx "$1" /run/proxy.log)" -gt "$n" ]; do sleep 0.02; done
	END
	# until.sh PATTERN FILE: waits for a line of it that awk finds, at most 2 minutes.
	cat >/run/until.sh <<-'END'
	for n in $(seq 1200); do
		awk "$1 { found = 1 } END { exit !found }" "$2" && exit
		sleep 0.1
	done
	exit 1
	END
	# A step of pinrace: wait until 4 KiB or more cannot leave the socket of the client.
	# shellcheck disable=SC2016 # these are fields of awk
	local to_port queue='substr($5, 1, 8) >= "00001000"'
	# shellcheck disable=SC2016
	printf -v to_port '$3 ~ /:%04X$/' "$1"
	PROXY_STUCK="sh=sh /run/until.sh '$to_port && $queue' /proc/net/tcp"
}

# Orders to the proxy, as steps of pinrace.
PROXY_HOLD='sh=sh /run/proxy.sh hold'
PROXY_PASS='sh=sh /run/proxy.sh pass'
PROXY_SWALLOW='sh=sh /run/proxy.sh swallow'
PROXY_DROP='sh=sh /run/proxy.sh drop'
# Wait until it has swallowed 256 KiB of WRITEs, in one or in a few.
PROXY_SWALLOWED="sh=sh /run/until.sh\
 '\$1 == \"swallowed\" && \$3 > 4096 && (sum += \$3) >= 262144' /run/proxy.log"

# splice_file_new: /run/other/data, 256 KiB on ext4, from which splice_stuck copies.
splice_file_new() {
	dm_linear other /dev/vda 384 64
	fs_new ext4 /dev/mapper/other /run/other
	fillpat -g 1 -l 256k /run/other/data
}

# splice_stuck: splice() of that file to /mnt/copy, which is open with O_DIRECT. A direct read lands
# while a message is stuck in the socket of the client. pinrace prints to /run/race.
splice_stuck() {
	dm_hold source
	pinrace -f /run/other/data -l 256k -s "$SOURCE" \
		read "$PROXY_HOLD" 'splice&=/mnt/copy' "$PROXY_STUCK" \
		"sh=$RELEASE source" reap "$PROXY_PASS" join | tee /run/race
}

# ---- NFS -------------------------------------------------------------------

REALM=GUEST.TEST
HOST=guest.test

# shellcheck source=guest/lib/nfs.sh
. /proj/guest/lib/nfs.sh

requires_nfs() {
	requires_nfsd
	need_cmd tcphold
}

# nfs_server: exports /export, a tmpfs, with version 4 only, as one user.
nfs_server() {
	# Kerberos uses the name HOST.
	etc_names "$HOST" guest localhost
	hostname "$HOST"
	mkdir -p /export
	mount -t tmpfs export /export
	chmod 777 /export
	nfsd_start /export all_squash,anonuid=0,anongid=0,sec=sys:krb5i:krb5p
}

# has_open PID PATTERN: the process has a file open whose path matches.
has_open() {
	local link
	for link in "/proc/$1/fd"/*; do
		# shellcheck disable=SC2053 # it is a pattern
		if [[ $(readlink "$link") == $2 ]]; then
			return 0
		fi
	done
	return 1
}
kdc_listens() { (exec 3<>/dev/tcp/127.0.0.1/88) 2>/dev/null; }

# nfs_kerberos: a realm of one machine. The keytab has the keys of the server, which are also
# the keys of the client.
nfs_kerberos() {
	local kdc=/run/kdc svcgssd gssd
	mkdir -p $kdc
	cat >/etc/krb5.conf <<-END
	[libdefaults]
		default_realm = $REALM
		dns_lookup_realm = false
		dns_lookup_kdc = false
		rdns = false
		dns_canonicalize_hostname = false
		permitted_enctypes = aes256-cts-hmac-sha1-96
	[realms]
		$REALM = {
			kdc = 127.0.0.1
		}
	[domain_realm]
		$HOST = $REALM
	END
	cat >$kdc/kdc.conf <<-END
	[kdcdefaults]
		kdc_listen = 88
		kdc_tcp_listen = 88
	[realms]
		$REALM = {
			database_name = $kdc/principal
			key_stash_file = $kdc/stash
			supported_enctypes = aes256-cts-hmac-sha1-96:normal
		}
	END
	export KRB5_KDC_PROFILE=$kdc/kdc.conf
	kdb5_util -r $REALM create -s -P master >/run/kdc.log 2>&1 ||
		fail "error: kdb5_util: $(tail -n 1 /run/kdc.log)"
	rm -f /etc/krb5.keytab
	kadmin.local -r $REALM -q "addprinc -randkey nfs/$HOST" >>/run/kdc.log 2>&1
	kadmin.local -r $REALM -q "ktadd -k /etc/krb5.keytab nfs/$HOST" >>/run/kdc.log 2>&1
	[[ -s /etc/krb5.keytab ]] || fail "error: no keytab: $(tail -n 1 /run/kdc.log)"
	krb5kdc -n >/run/krb5kdc.log 2>&1 &
	modprobe rpcsec_gss_krb5
	rpc.svcgssd -f -vv >/run/svcgssd.log 2>&1 &
	svcgssd=$!
	rpc.gssd -f -vv -p /run/rpc_pipefs >/run/gssd.log 2>&1 &
	gssd=$!
	wait_for 60 kdc_listens ||
		fail "error: krb5kdc does not listen: $(tail -n 1 /run/krb5kdc.log)"
	wait_for 60 has_open $svcgssd '/proc/*/auth.rpcsec.init/channel' ||
		fail "error: rpc.svcgssd: $(tail -n 1 /run/svcgssd.log)"
	# By this pipe, which belongs to no mount, the kernel knows that there is a gssd.
	wait_for 60 has_open $gssd '*/gssd/clnt*/gssd' ||
		fail "error: rpc.gssd: $(tail -n 1 /run/gssd.log)"
}

# nfs_mount OPTION...: mounts the export on /mnt, through the proxy.
nfs_mount() {
	no_flusher
	mount -t nfs4 -o "vers=4.2,port=2050,proto=tcp,actimeo=600,$1" "$HOST:/" /mnt || {
		tail -n 5 /run/*gssd.log /run/krb5kdc.log 2>/dev/null || true
		fail "error: mount with $1"
	}
}

# nfsd_refused: prints how many calls the server took for garbage.
nfsd_refused() { awk '$1 == "rpc" { print $4 }' /proc/net/rpc/nfsd; }

# ---- SMB -------------------------------------------------------------------

# shellcheck source=guest/lib/smb.sh
. /proj/guest/lib/smb.sh

requires_smb() {
	need_cmd tcphold
	requires_smbd
}

# smb_server: one share, /export, a tmpfs.
smb_server() {
	mkdir -p /export
	mount -t tmpfs export /export
	smbd_start share /export 'server signing = mandatory'
}

# smb_mount OPTION...: mounts the share on /mnt, through the proxy.
smb_mount() {
	no_flusher
	smbd_mount /mnt share "port=1445,vers=3.1.1,$1"
}

# ---- encryption of files ---------------------------------------------------

# Adiantum takes a hash of a block, and then encrypts the block.
ADIANTUM="adiantum nhpoly1305 chacha_generic"
requires_adiantum() {
	need_cmd dmsetup xfs_io chrt
	# shellcheck disable=SC2086 # a list
	need_mod $ADIANTUM cryptd algif_skcipher brd
}

# adiantum_split: from now on Adiantum leaves the second step to a work item of this CPU.
adiantum_split() {
	# shellcheck disable=SC2086 # a list
	modprobe -a $ADIANTUM cryptd algif_skcipher
	modprobe -q chacha-x86_64 || true
	algbind skcipher 'cryptd(xchacha12)'
	grep -q '^driver *: cryptd(xchacha12' /proc/crypto || fail "error: no cryptd(xchacha12)"
}

# crypt_mount TYPE [OPTION...]: mounts /dev/mapper/disk on /mnt; sets CRYPT_ID, the key of the test.
crypt_mount() {
	# shellcheck disable=SC2086 # a list
	modprobe -a $ADIANTUM
	mkdir -p /mnt
	mount -t "$1" "${@:2}" /dev/mapper/disk /mnt
	CRYPT_ID=$(head -c 64 /dev/zero | tr '\0' k | xfs_io -c add_enckey /mnt |
		sed -n 's/.*identifier \([0-9a-f]*\)$/\1/p')
	[[ $CRYPT_ID ]] || fail "error: no key"
}

# adiantum_race: for each of 16 files in /mnt/dir, a direct read holds its only page. Device mapper
# has a work item submit it when it is released, and it lands there, as the source is in memory. The
# machine has one CPU, which runs one such work item at a time, and none as long as a real-time task
# runs. So fsync() takes the hash of the page first, then the read lands, and then the page is
# encrypted.
CRYPT_FILES=$(seq -f '/mnt/dir/%g' 16)
adiantum_race() {
	local file
	modprobe brd rd_nr=1 rd_size=1024
	wait_for 10 test -b /dev/ram0 || fail "error: no /dev/ram0"
	fillpat -w S -l 4k /dev/ram0
	dm_linear source /dev/ram0
	# shellcheck disable=SC2086 # a list
	fillpat -l 4k $CRYPT_FILES
	grep -q '^driver.*adiantum(cryptd(' /proc/crypto || fail "error: Adiantum without cryptd"
	sync
	mark_bounced
	for file in $CRYPT_FILES; do
		dm_hold source
		chrt -f 1 pinrace -f "$file" -l 4k -s "$SOURCE" dirty=1 read resume=source \
			fsync reap | tee /run/race
		grep -qx 'fsync ok' /run/race || fail "$(cat /run/race)"
	done
}

# crypt_race: the same in an encrypted directory.
crypt_race() {
	local policy="set_encpolicy -v 2 -c Adiantum -n Adiantum -f 0x3 $CRYPT_ID"
	mkdir /mnt/dir
	xfs_io -c "$policy" /mnt/dir || fail "error: no policy"
	adiantum_race
}

# crypt_check: after a power cut, all that is in a file was written by the program or a read.
crypt_check() {
	# shellcheck disable=SC2086 # a list
	expect_pages "encrypted data after the power cut" "$(pagecheck -g 1 $CRYPT_FILES)" \
		old new torn
}
