# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# MariaDB with innodb_flush_method=O_DIRECT and native AIO, on ext4 on a device that checksums its
# data, with a journal, as the power is cut in the middle of work. Four clients insert and
# change rows; the server is killed, started again, and checked (CHECK TABLE EXTENDED,
# innochecksum); more rows, and the power is cut. After that every committed transaction is there.
# A stock kernel passes, with references: its buffers are not in a mapped file. A patched kernel
# passes with pins. This test guards the series.
DESC="MariaDB, O_DIRECT: kill, power cut, every committed row"
TIMEOUT=240
LONG=1
STOCK=pass
ONLY="6.1"

requires() {
	need_cmd dmsetup mariadbd mariadb innochecksum
	need_mod dm-integrity
	requires_fs ext4
}

CLIENTS=4

sql() { mariadb --no-defaults --socket=/run/my.sock -u root -N -B "$@"; }

# start_server: waits until it answers; sets server (its process) and server_log.
server='' server_log='' starts=0
start_server() {
	server_log=/out/mariadbd-$PHASE$((++starts)).txt
	mariadbd --no-defaults --user=root --datadir=/mnt/db --socket=/run/my.sock \
		--skip-networking --skip-grant-tables --pid-file=/run/my.pid --tmpdir=/run \
		--innodb-flush-method=O_DIRECT --innodb-use-native-aio=1 \
		--innodb-buffer-pool-size=16M --innodb-log-file-size=8M \
		--innodb-flush-log-at-trx-commit=1 \
		--innodb-checksum-algorithm=strict_full_crc32 --aria-log-file-size=8M \
		>"$server_log" 2>&1 &
	server=$!
	wait_for 40 server_answers ||
		fail "mariadbd does not start: $(grep -m 1 ERROR "$server_log")"
}
server_answers() { [[ -d /proc/$server ]] && sql -e 'select 1' >/dev/null 2>&1; }

# rows_of CLIENT: prints how many of its rows were committed. This is in /out/state, which outlives
# the guest.
rows_of() {
	local count
	count=$(cat "/out/state/rows$1" 2>/dev/null) || true
	echo "${count:-0}"
}

# client NUMBER TRANSACTIONS
client() {
	local number=$1 row from file=/out/state/rows$1
	from=$(rows_of "$number")
	for ((row = from + 1; row <= from + $2; row++)); do
		echo "start transaction;
			insert into t values ($number, $row, repeat(char(65 + $row % 26), 3000));
			update sum set last = $row, total = total + $row where client = $number;
			commit;
			system echo $row >$file.new && mv $file.new $file"
	done | sql pw >>"/out/client$number.txt" 2>&1
}

# expect_consistent: tables in order, sums that match the rows, and every committed row.
expect_consistent() {
	local number rows bad
	sql pw -e 'check table t extended; check table sum extended' >/run/check
	cat /run/check
	[[ $(awk '$NF == "OK"' /run/check | wc -l) == 2 ]] ||
		fail "check table: $(grep -v OK /run/check | head -n 1)"
	bad=$(sql pw -e 'select client from sum s where total <>
		(select coalesce(sum(id), 0) from t where t.client = s.client)')
	[[ ! $bad ]] || fail "the sums do not match the rows"
	bad=$(sql pw -e "select id from t where v <> repeat(char(65 + id % 26), 3000) limit 1")
	[[ ! $bad ]] || fail "a row has other content"
	for ((number = 1; number <= CLIENTS; number++)); do
		rows=$(rows_of "$number")
		(($(sql pw -e "select count(*) from t
			where client = $number and id <= $rows") == rows)) ||
			fail "of $rows rows that client $number had committed some are missing"
	done
	info "consistent: $(sql pw -e 'select count(*) from t') rows"
}

# start_clients: clients that write until the server or the guest ends.
start_clients() {
	local number
	for ((number = 1; number <= CLIENTS; number++)); do
		client $number 100000 || true &
	done
}

run() {
	local number clients=() before pins
	checker_new 160 J
	fs_new ext4 "$CHECKER" /mnt
	mkdir -p /mnt/db /out/state
	start_server
	before=$(vmstat nr_foll_pin_acquired)
	sql -e "create database pw; use pw;
		create table t (client int, id int, v text, primary key (client, id))
			engine=innodb;
		create table sum (client int primary key, last int, total bigint) engine=innodb;
		insert into sum values (1,0,0),(2,0,0),(3,0,0),(4,0,0)"
	for ((number = 1; number <= CLIENTS; number++)); do
		client $number 25 &
		clients+=($!)
	done
	wait "${clients[@]}" || fail "a client: $(cat /out/client*.txt | grep -m 1 ERROR)"
	if is_patched; then
		pins=$(($(vmstat nr_foll_pin_acquired) - before))
		info "$pins pins"
		((pins > 0)) || fail "direct I/O took no pins"
	fi

	# The server is killed in the middle of work.
	start_clients
	sleep "$(duration 3)"
	kill -9 "$server"
	wait || true
	innochecksum /mnt/db/pw/t.ibd || fail "innochecksum of the killed server's file"
	start_server
	expect_consistent
	start_clients
	sleep "$(duration 3)"
	# here the power is cut
}

verify() {
	local number
	checker_parts 160
	checker_join 160 J
	mount -t ext4 "$CHECKER" /mnt
	for ((number = 1; number <= CLIENTS; number++)); do
		info "client $number had $(rows_of "$number") rows"
	done
	start_server
	expect_consistent
	kill "$server"
	wait "$server" || fail "mariadbd does not end well: $(tail -n 1 "$server_log")"
	innochecksum /mnt/db/pw/t.ibd || fail "innochecksum after the power cut"
	umount /mnt
	dd if="$CHECKER" of=/dev/null bs=1M iflag=direct status=none ||
		fail "a block cannot be read"
}
