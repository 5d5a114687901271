# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2317,SC2154,SC2016
# Rows about packages and sources: what is missing, and cannot be had.

# bare_project: a copy of the project on a machine without the base source.
bare_project() {
	new_project
	sed -i 's,/usr/src/,/nonexistent/,' "$project/scripts/source.sh"
}

# no_packages LINE...: nothing is installed, and apt-get install does this.
no_packages() {
	bare_project
	fake dpkg-query 'exit 1'
	fake sudo 'while [ "${1#-}" != "$1" ]; do shift; done' 'exec "$@"'
	fake apt-get 'case " $* " in *" update "*) exit 0 ;; esac' "$@"
}

no_network() {
	bare_project
	fake apt-get 'echo "E: Failed to fetch it" >&2' 'exit 100'
	refuses 'Failed to fetch it.*check the network' env BASE=6.1 "$project/scripts/tree.sh"
	no_packages 'echo "E: Failed to fetch it" >&2' 'exit 100'
	refuses 'Failed to fetch it.*check the network' env BASE=6.1 "$project/scripts/setup.sh"
	fake git 'exit 128'
	refuses 'LINUX_5_4=/path.*network' env -u LINUX_5_4 BASE=5.4 "$project/scripts/tree.sh"
	[[ ! -d $project/build/6.1/tree && ! -d $project/build/5.4/tree ]] || fail "half a tree"
}

# Another apt-get is at work for longer than we wait.
held_lock() {
	local held='Could not get lock /var/lib/dpkg/lock-frontend.'
	held+=' It is held by process 4711 (aptd)'
	no_packages "echo 'Waiting for cache lock: $held...'" "echo 'E: $held' >&2" 'exit 100'
	refuses 'holds the lock of dpkg \(held by process 4711 \(aptd\)\): wait' \
		"$project/scripts/setup.sh"
	if grep -q network "$tmp/out" "$tmp/err"; then
		fail "calls it a network problem: $(cat "$tmp/line")"
	fi
	grep -q 'process 4711 (aptd)), waiting up' "$tmp/out" || fail "no note: $(cat "$tmp/out")"
	no_packages "echo 'E: Unable to acquire the dpkg frontend lock (x), is another process" \
		"using it?'" 'exit 100'
	refuses 'holds the lock of dpkg' "$project/scripts/setup.sh"
}

# We wait as long as we say, and an error of another kind is not called a network problem.
setup_options() {
	no_packages 'case " $* " in *" DPkg::Lock::Timeout=120 "*) ;;' \
		'*) echo "E: no timeout" >&2; exit 100 ;; esac' \
		'echo "E: dpkg was interrupted" >&2' 'exit 100'
	refuses 'dpkg was interrupted' "$project/scripts/setup.sh"
	if grep -q network "$tmp/err"; then
		fail "calls it a network problem: $(cat "$tmp/err")"
	fi
}

# What apt-get prints is in the log, and not on the terminal.
setup_log() {
	no_packages 'echo "0 upgraded, 300 newly installed, 0 to remove"' \
		'for i in $(seq 300); do echo "Setting up package$i (1.0)"; done'
	faked "$project/scripts/setup.sh" demo >"$tmp/out" 2>&1
	(($(wc -l <"$tmp/out") < 10)) || fail "$(wc -l <"$tmp/out") lines on the terminal"
	(($(grep -c '^Setting up' "$project/build/setup.log") == 300)) || fail "no build/setup.log"
}

no_space() {
	bare_project
	fake df 'echo Filesystem' 'echo "/dev/x 9999999 99999 1048576 9% /"'
	refuses 'needs 6 GiB.* has 1 GiB' env BASE=6.1 "$project/scripts/tree.sh"
}

wrong_source() { # a tree named by the user that is not the base
	bare_project
	fake_tree 6.1 other
	mkdir -p "$tmp/plain"
	refuses 'no such directory' env LINUX_5_4="$tmp/nosuch" BASE=5.4 "$project/scripts/tree.sh"
	refuses 'Linux 5.4' env LINUX_5_4="$tmp/other" BASE=5.4 "$project/scripts/tree.sh"
	refuses 'not a tree of Linux 5.4' env LINUX_5_4="$tmp/plain" BASE=5.4 \
		"$project/scripts/tree.sh"
}

packages_rows() {
	check no-network no_network
	check held-lock held_lock
	check setup-options setup_options
	check setup-log setup_log
	check no-space no_space
	check wrong-source wrong_source
}
