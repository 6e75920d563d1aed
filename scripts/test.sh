#!/bin/bash
# test.sh - everything `make test` promises, one stage after the other; a failed stage does not hide the next.
#
# Stages can be named: test.sh dev asan. Results are counted from what ctest recorded; every build and every analysis
# counts as one more. The last line is the sum. An unknown stage is refused (2) before anything runs.
set -u
cd "$(dirname "$0")/.." || exit 2
jobs=${JOBS:-$(nproc)}
passed=0
failed=0
failures=()
began=$SECONDS

say() {
	printf '\n== %s (%d s) ==\n' "$*" $((SECONDS - began))
}

# check NAME COMMAND...: one thing that passes or fails
check() {
	local name=$1
	shift
	say "$name"
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		failures+=("$name")
		return 1
	fi
}

build() {
	cmake --preset "$1" >/dev/null && cmake --build --preset "$1" -j "$jobs"
}

# suite PRESET [ARGUMENTS OF CTEST]: counts each test
suite() {
	local preset=$1 record counts name
	shift
	say "ctest $preset $*"
	record=$PWD/build/$preset/junit.xml
	rm -f "$record"
	"${run[@]}" ctest --preset "$preset" -j "$jobs" --output-junit "$record" "$@"
	if ! counts=$(/usr/bin/python3 scripts/count.py "$record"); then
		failed=$((failed + 1))
		failures+=("ctest $preset: no record of it")
		return
	fi
	while read -r name; do
		failures+=("$preset: $name")
	done < <(tail -n +2 <<<"$counts")
	read -r ok bad < <(head -n 1 <<<"$counts")
	passed=$((passed + ok))
	failed=$((failed + bad))
}

format_check() {
	# Versions of clang-format differ in taste; the tree is formatted with Debian 12's.
	if clang-format --version | grep -q 'version 14\.'; then
		check "clang-format" cmake --build --preset clang --target format-check
	else
		say "clang-format: not checked, not counted: it is not version 14, Debian 12's"
	fi
}

stage_dev() {
	check "build dev" build dev && suite dev
}

# What is shipped, with the warnings that only the optimiser sees.
stage_release() {
	check "build release, -Werror" build_release_strictly
}

build_release_strictly() {
	cmake --preset release -B build/release-strict -DBATCHGATE_WERROR=ON >/dev/null &&
		cmake --build build/release-strict -j "$jobs" --target batchgate
}

stage_clang() {
	check "build clang, -Wthread-safety" build clang || return
	format_check
	check "cppcheck" cmake --build --preset clang --target cppcheck
	check "clang-tidy" cmake --build --preset clang --target tidy
}

stage_asan() {
	check "build asan" build asan && suite asan -L 'unit|integration'
}

stage_tsan() {
	check "build tsan" build tsan || return
	# Where addresses are spread further than the sanitizer of this compiler knows, they must stand still.
	if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ] && setarch -R true 2>/dev/null; then
		run=(setarch -R)
	fi
	suite tsan -L 'unit|integration'
	run=()
}

stage_fuzz() {
	check "build fuzz" build fuzz && suite fuzz
}

run=()
stages=("$@")
[ $# -gt 0 ] || stages=(dev release clang asan tsan fuzz)
for stage in "${stages[@]}"; do
	if ! declare -F "stage_$stage" >/dev/null; then
		echo "test.sh: no stage $stage; there are: dev release clang asan tsan fuzz" >&2
		exit 2
	fi
done
for stage in "${stages[@]}"; do
	"stage_$stage"
done

printf '\n'
for name in ${failures[@]+"${failures[@]}"}; do
	printf 'FAILED: %s\n' "$name"
done
printf '%s in %d s\n' "${stages[*]}" $((SECONDS - began))
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
