#!/bin/sh
# fuzz-one.sh PROGRAM KEPT FOUND - one fuzz target for $FUZZ_SECONDS (12), from the kept corpus.
#
# New inputs go to FOUND, a crash to FOUND/crash-*; to keep one, copy it to KEPT.
set -eu
program=$1 kept=$2 found=$3
mkdir -p "$found"
[ -d "$kept" ] || { echo "fuzz-one: no kept corpus $kept" >&2; exit 1; }
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
exec "$program" -max_total_time="${FUZZ_SECONDS:-12}" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
	-print_final_stats=1 -artifact_prefix="$found/" "$found" "$kept"
