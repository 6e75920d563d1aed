#!/bin/bash
# test.sh - everything `make test` promises; what fails does not hide the rest.
#
# Stages can be named: test.sh dev asan. The stages with tests, which mostly wait, run one after the other; beside them,
# behind them in priority, those that only compute. Results are counted from what ctest recorded; every build and every
# analysis counts as one more, and what it said is shown where it fails. The end is enough to understand what failed: why, what,
# and the sum. An unknown stage is refused (2) before anything runs.
set -u
cd "$(dirname "$0")/.." || exit 2
jobs=${JOBS:-$(nproc)}
began=$SECONDS
back=
scratch=$(mktemp -d)
results=$scratch/results
told=$scratch/told # where what failed says why, for results.py
: >"$results"
: >"$told"

end() {
	[ -z "$back" ] || kill -TERM -- "-$back" 2>/dev/null
	rm -rf "$scratch"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() {
	printf '\n== %s (%d s) ==\n' "$*" $((SECONDS - began))
}

# check NAME COMMAND...: one thing that passes or fails
check() {
	local name=$1 log
	shift
	log=$(mktemp "$scratch/log.XXXXXX")
	if "$@" >"$log" 2>&1; then
		say "$name: passed"
		echo "passed $name" >>"$results"
	else
		say "$name: FAILED"
		cat "$log"
		echo "failed $name" >>"$results"
		echo "log $log $name" >>"$told"
		return 1
	fi
}

build() {
	cmake --preset "$1" && cmake --build --preset "$1" -j "$jobs"
}

# suite PRESET [ARGUMENTS OF CTEST]: counts each test
suite() {
	local preset=$1 record
	shift
	say "ctest $preset $*"
	record=$PWD/build/$preset/junit.xml
	rm -f "$record"
	"${run[@]}" ctest --preset "$preset" --test-output-truncation middle --output-junit "$record" "$@"
	/usr/bin/python3 scripts/results.py count "$preset" "$record" >>"$results" ||
		echo "failed ctest $preset: no record of it" >>"$results"
	echo "junit $preset $record" >>"$told"
}

# Tests wait more than they compute: there are more of them than processors.
stage_dev() {
	check "build dev" build dev && suite dev -j $((2 * jobs))
}

stage_asan() {
	check "build asan" build asan && suite asan -j $((2 * jobs)) -L 'unit|integration'
}

stage_tsan() {
	check "build tsan" build tsan || return
	# Where addresses are spread further than the sanitizer of this compiler knows, they must stand still.
	if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)" -gt 28 ] && setarch -R true 2>/dev/null; then
		run=(setarch -R)
	fi
	suite tsan -j $((2 * jobs)) -L 'unit|integration'
	run=()
}

# What is shipped, with the warnings that only the optimiser sees.
stage_release() {
	check "build release, -Werror" build_release_strictly
}

build_release_strictly() {
	cmake --preset release -B build/release-strict -DBATCHGATE_WERROR=ON &&
		cmake --build build/release-strict -j "$jobs" --target batchgate
}

stage_clang() {
	check "build clang, -Wthread-safety" build clang || return
	format_check
	check "cppcheck" cmake --build --preset clang --target cppcheck
	check "clang-tidy" cmake --build --preset clang --target tidy
}

format_check() {
	# Versions of clang-format differ in taste; the tree is formatted with Debian 12's.
	if clang-format --version | grep -q 'version 14\.'; then
		check "clang-format" cmake --build --preset clang --target format-check
	else
		say "clang-format: not checked, not counted: it is not version 14, Debian 12's"
	fi
}

stage_fuzz() {
	check "build fuzz" build fuzz && suite fuzz -j "$jobs"
}

stage_image() {
	if ! command -v apt-get >/dev/null && ! docker info >/dev/null 2>&1; then
		say "container image: not tested, not counted: it needs Debian or a docker engine"
		return
	fi
	JOBS=$jobs check "container image: built and run" /usr/bin/python3 tests/image/image.py
}

# In its own build folder, with its chroot in there, too.
stage_deb() {
	if ! command -v apt-get >/dev/null || ! { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then
		say "Debian package: not tested, not counted: it needs Debian and root"
		return
	fi
	check "Debian package: installed, run, upgraded, purged" make test-deb JOBS="$jobs"
}

run=()
stages=("$@")
[ $# -gt 0 ] || stages=(dev asan tsan release fuzz clang image deb)
tests=()
beside=()
for stage in "${stages[@]}"; do
	case $stage in
	dev | asan | tsan) tests+=("$stage") ;;
	release | clang | fuzz | image | deb) beside+=("$stage") ;;
	*)
		echo "test.sh: no stage $stage; there are: dev release clang asan tsan fuzz image deb" >&2
		exit 2
		;;
	esac
done

# in_turn STAGE...: one after the other
in_turn() {
	local stage
	for stage in "$@"; do
		"stage_$stage"
	done
}

if [ ${#beside[@]} -gt 0 ]; then
	set -m # a process group of its own, so that an interrupt ends all of it
	{
		trap - EXIT INT TERM
		renice -n 10 -p "$BASHPID" >/dev/null
		in_turn "${beside[@]}"
	} &
	back=$!
	set +m
fi
in_turn ${tests[@]+"${tests[@]}"}
[ -z "$back" ] || wait "$back"
back=

passed=$(grep -c '^passed ' "$results")
failed=$(grep -c '^failed ' "$results")
[ "$failed" -eq 0 ] || /usr/bin/python3 scripts/results.py failures "$told"
printf '\n'
sed -n 's/^failed /FAILED: /p' "$results"
printf '%s in %d s\n' "${stages[*]}" $((SECONDS - began))
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
