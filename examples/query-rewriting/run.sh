#!/bin/bash
# run.sh [OPTIONS OF rewrite.py] - a hundred search queries through a language model: one after the other, and 5, 10, 20 at once.
#
# Without LLM_BASE_URL a stand-in answers, in 300 ms, 40 times a second and 20 at once; past that it says 429.
# With LLM_BASE_URL (and LLM_API_KEY) a real provider is asked: then 10 at once, unless --workers says otherwise.
# CONFIG=gemini.yaml speaks to Gemini. STAND_IN_OPTIONS sets the stand-in otherwise. --serve starts both and waits.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/start.sh
source "$here/../start.sh"

# shellcheck disable=SC2086 # words
start_stand_in ${STAND_IN_OPTIONS:---latency 0.3 --rate 40/s --burst 20 --fail gunpowder=400}
start_batchgate "$here/${CONFIG:-batchgate.yaml}"
if [ "${1:-}" = --serve ]; then
	serve
else
	client /usr/bin/python3 "$here/rewrite.py" --url "$BATCH_URL" --pid "$BATCHGATE_PID" --stand-in "$STAND_IN" "$@"
fi
