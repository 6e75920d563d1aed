# shellcheck shell=bash
# start.sh - what the examples start, and end: the stand-in for a provider, and batchgate. Sourced by their run.sh.
#
# Everything listens on loopback, on free ports, and is ended by its own id when the script ends, however it does (Ctrl-C too).
# Takes: BATCHGATE, the program; LOGS, a folder that keeps what both logged; --serve as the script's first argument. Gives:
# LLM_BASE_URL and LLM_API_KEY (made up unless set), STAND_IN (its address, or empty), BATCH_URL, BATCHGATE_PID.
set -eu
EXAMPLES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BATCHGATE=${BATCHGATE:-$EXAMPLES/../build/release/batchgate}
FOLDER=${LOGS:-$(mktemp -d "${TMPDIR:-/tmp}/batchgate-example-XXXXXX")}
STAND_IN=""
# What --serve prints is pasted into another shell.
case ${1:-} in
--serve) NOTE="# " ;;
*) NOTE="" ;;
esac

finish() {
	local pid
	trap - EXIT INT TERM HUP
	# What has ended already is not in this list: its id may be another's by now.
	for pid in $(jobs -pr); do
		kill "$pid" 2>/dev/null || true
	done
	wait
	[ -n "${LOGS:-}" ] || rm -rf "$FOLDER"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# launch NAME COMMAND...: in the background, with its output in files.
launch() {
	local name=$1
	shift
	# A group of its own: Ctrl-C reaches this script alone, which then ends them in good order.
	set -m
	"$@" >"$FOLDER/$name.out" 2>"$FOLDER/$name.err" </dev/null &
	launched=$!
	set +m
}

# await PID NAME PATTERN FILE: until the pattern is in the file; a process that ends before is an error.
await() {
	until grep -q "$3" "$4" 2>/dev/null; do
		if ! kill -0 "$1" 2>/dev/null; then
			echo "$2 did not start:" >&2
			cat "$FOLDER/$2.out" "$FOLDER/$2.err" >&2
			exit 1
		fi
		sleep 0.05
	done
}

# start_stand_in OPTIONS...: none where LLM_BASE_URL names a provider. Says which of the two is called.
start_stand_in() {
	if [ -n "${LLM_BASE_URL:-}" ]; then
		echo "${NOTE}calling $LLM_BASE_URL (LLM_BASE_URL is set; unset it for the offline stand-in)"
		return
	fi
	export LLM_API_KEY="${LLM_API_KEY:-key-$$-$RANDOM$RANDOM}"
	launch stand-in /usr/bin/python3 "$EXAMPLES/llm-upstream/llm_upstream.py" --port 0 "$@"
	await "$launched" stand-in ^http "$FOLDER/stand-in.out"
	STAND_IN=$(head -n 1 "$FOLDER/stand-in.out")
	export LLM_BASE_URL=$STAND_IN
	echo "${NOTE}calling $STAND_IN (the offline stand-in)"
}

# start_batchgate CONFIG
start_batchgate() {
	if [ ! -x "$BATCHGATE" ]; then
		echo "no program at $BATCHGATE: run \`make build\`, or set BATCHGATE" >&2
		exit 1
	fi
	launch batchgate "$BATCHGATE" serve --config "$1" --server-port=0
	BATCHGATE_PID=$launched
	await "$launched" batchgate '"event":"listening"' "$FOLDER/batchgate.err"
	BATCH_URL=http://127.0.0.1:$(sed -n 's/.*"event":"listening".*"port":\([0-9]*\).*/\1/p' "$FOLDER/batchgate.err" | head -n 1)
}

# client COMMAND...: in the background too, so that a signal is acted on while it runs.
client() {
	local code=0
	"$@" &
	wait $! || code=$?
	return $code
}

# serve: until Ctrl-C.
serve() {
	echo "export BATCH_URL=$BATCH_URL"
	[ -z "$STAND_IN" ] || echo "export LLM_BASE_URL=$LLM_BASE_URL LLM_API_KEY=$LLM_API_KEY"
	echo "# Both run until Ctrl-C; in another shell, first the line(s) above."
	wait "$BATCHGATE_PID"
}
