# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# How far a long step is, and how a guest fared; sourced by lib.sh.

# progress SECONDS WHAT: reads a build's output, and says now and then how far it is.
progress() {
	local start=$SECONDS last=$SECONDS n=0 line
	while read -r line; do
		[[ $line =~ ^(CC|LD|AR|AS|HOSTCC)\  ]] && n=$((n + 1))
		if ((SECONDS - last >= $1)); then
			last=$SECONDS
			echo "   $2: $n files, $((SECONDS - start)) s"
		fi
	done
}

# busy WHAT COMMAND...: runs a silent command and says every 10 s that it is at work.
busy() {
	local what=$1 start=$SECONDS pid code=0
	shift
	"$@" &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.2
		if (((SECONDS - start) % 10 == 9)); then
			echo "   $what: $((SECONDS - start)) s"
			sleep 1
		fi
	done
	wait "$pid" || code=$?
	return $code
}

# verdict_of KERNEL SCENARIO: pass, fail, skip, or error: the scenario did not get as
# far as to look at the kernel, which proves nothing. The reason is in $verdict_text.
# shellcheck disable=SC2034
verdict_of() {
	local v=error
	verdict=error verdict_text='not run'
	[[ -r $BUILD/results/$1/$2.verdict ]] || return 0
	read -r v verdict_text <"$BUILD/results/$1/$2.verdict" || true
	verdict=$v
	if [[ $v == fail && $verdict_text =~ ^(error|no\ verdict|timed\ out) ]]; then
		verdict=error
	fi
}
