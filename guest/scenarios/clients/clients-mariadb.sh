# shellcheck shell=bash disable=SC2034
# MariaDB with innodb_flush_method=O_DIRECT and native AIO, on ext4 on a device that
# checksums what it gets, with a journal, as the power is cut in the middle of work. Rows
# are inserted and changed by four clients; the server is killed, started again, and
# checked (CHECK TABLE EXTENDED, innochecksum); more rows, and the power is cut. After that
# every transaction that was committed is there.
# A stock kernel passes: its buffers are not in a mapped file. This guards the series.
DESC="MariaDB, InnoDB with O_DIRECT: kill, power cut, consistency, every committed row"
TIMEOUT=240
STOCK=pass
ONLY="6.1"

requires() {
	need_cmd dmsetup mariadbd mariadb innochecksum
	need_mod dm-integrity
	requires_fs ext4
}

CLIENTS=4

sql() { mariadb --no-defaults --socket=/run/my.sock -u root -N -B "$@"; }
starts=0
server() {
	log=/out/mariadbd-$PHASE$((++starts)).txt
	mariadbd --no-defaults --user=root --datadir=/mnt/db --socket=/run/my.sock --skip-networking \
		--skip-grant-tables --innodb-flush-method=O_DIRECT --innodb-use-native-aio=1 \
		--innodb-buffer-pool-size=16M --innodb-log-file-size=8M --innodb-flush-log-at-trx-commit=1 \
		--innodb-checksum-algorithm=strict_full_crc32 --pid-file=/run/my.pid --aria-log-file-size=8M \
		--tmpdir=/run >"$log" 2>&1 &
	server=$!
}
server_up() { [[ -d /proc/$server ]] && sql -e 'select 1' >/dev/null 2>&1; }
start() { server; wait_for 40 server_up || fail "mariadbd does not start: $(grep -m 1 ERROR "$log")"; }

# How many rows client N has got an answer for is in /out/state, which outlives the guest.
rows() { local n; n=$(cat "/out/state/rows$1" 2>/dev/null) || true; echo "${n:-0}"; }
client() { # N TRANSACTIONS
	local n=$1 i from
	from=$(rows "$n")
	for ((i = from + 1; i <= from + $2; i++)); do
		echo "start transaction; insert into t values ($n, $i, repeat(char(65 + $i % 26), 3000));
			update sum set last = $i, total = total + $i where client = $n; commit;
			system echo $i >/out/state/new$n && mv /out/state/new$n /out/state/rows$n"
	done | sql pw >>"/out/client$n.txt" 2>&1
}

# consistent: tables in order, sums as the rows say, and nothing that was promised is missing.
consistent() {
	local n rows
	sql pw -e 'check table t extended; check table sum extended' >/run/check
	cat /run/check
	[[ $(awk '$NF == "OK"' /run/check | wc -l) == 2 ]] || fail "check table: $(grep -v OK /run/check | head -n 1)"
	[[ -z $(sql pw -e 'select client from sum s where total <> (select coalesce(sum(id), 0) from t where t.client = s.client)') ]] ||
		fail "the sums are not those of the rows"
	[[ -z $(sql pw -e "select id from t where v <> repeat(char(65 + id % 26), 3000) limit 1") ]] || fail "a row has other content"
	for ((n = 1; n <= CLIENTS; n++)); do
		rows=$(rows "$n")
		(($(sql pw -e "select count(*) from t where client = $n and id <= $rows") == rows)) ||
			fail "of $rows rows that client $n had committed some are missing"
	done
	info "consistent: $(sql pw -e 'select count(*) from t') rows"
}

run() {
	local n pids=() before
	checker_new 160 J
	fs_new ext4 "$CHECKER" /mnt
	mkdir -p /mnt/db /out/state
	start
	before=$(vmstat nr_foll_pin_acquired)
	sql -e "create database pw; use pw; create table t (client int, id int, v text, primary key (client, id)) engine=innodb;
		create table sum (client int primary key, last int, total bigint) engine=innodb;
		insert into sum values (1,0,0),(2,0,0),(3,0,0),(4,0,0)"
	for ((n = 1; n <= CLIENTS; n++)); do client $n 25 & pids+=($!); done
	wait "${pids[@]}" || fail "a client: $(cat /out/client*.txt | grep -m 1 ERROR)"
	if is_patched; then
		info "$(($(vmstat nr_foll_pin_acquired) - before)) pins"
		(($(vmstat nr_foll_pin_acquired) > before)) || fail "direct I/O took no pins"
	fi

	# Killed in the middle of work.
	for ((n = 1; n <= CLIENTS; n++)); do client $n 100000 || true & done
	sleep "$(scaled 3)"
	kill -9 "$server"
	wait || true
	innochecksum /mnt/db/pw/t.ibd || fail "innochecksum of the killed server's file"
	start
	consistent
	for ((n = 1; n <= CLIENTS; n++)); do client $n 100000 || true & done
	sleep "$(scaled 3)"
	# here the power is cut
}

verify() {
	local n
	checker_parts 160
	checker_join 160 J
	mount -t ext4 "$CHECKER" /mnt
	for ((n = 1; n <= CLIENTS; n++)); do info "client $n had $(rows "$n") rows"; done
	start
	consistent
	kill "$server"
	wait "$server" || fail "mariadbd does not end well: $(tail -n 1 "$log")"
	innochecksum /mnt/db/pw/t.ibd || fail "innochecksum after the power cut"
	umount /mnt
	dd if="$CHECKER" of=/dev/null bs=1M iflag=direct status=none || fail "a block cannot be read"
}
