#!/bin/bash
# run.sh [OPTIONS OF channels.py] - one topic, three texts: for LinkedIn, a newsletter, a blog.
#
# Without LLM_BASE_URL a stand-in answers, in 2.6 s, 3.7 s and 1.5 s; with it (and LLM_API_KEY) a real provider.
# CONFIG=gemini.yaml speaks to Gemini. STAND_IN_OPTIONS sets the stand-in otherwise. --serve starts both and waits.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=examples/start.sh
source "$here/../start.sh"

# shellcheck disable=SC2086 # words
start_stand_in ${STAND_IN_OPTIONS:---latency linkedin=2.6,newsletter=3.7,blog=1.5}
start_batchgate "$here/${CONFIG:-batchgate.yaml}"
if [ "${1:-}" = --serve ]; then
	serve
else
	client /usr/bin/python3 "$here/channels.py" --url "$BATCH_URL" --stand-in "$STAND_IN" "$@"
fi
