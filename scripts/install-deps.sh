#!/bin/sh
# install-deps.sh GROUP... - installs what is missing for build, test or bench, and nothing else.
#
# Debian 12 and 13 (and what derives from them). Where all is there, nothing runs and no right is needed.
set -eu

build="gcc libc6-dev make cmake pkg-config libmicrohttpd-dev libcurl4-openssl-dev libjansson-dev libyaml-dev
	libc-ares-dev zlib1g-dev libssl-dev libjq-dev libseccomp-dev ca-certificates python3 curl"
test="git check clang clang-tidy clang-format llvm cppcheck binutils nginx-light python3-httpbin openssl
	iproute2 nftables util-linux mount strace procps chromium"
bench="nginx-light"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "install-deps: this is not Debian. Please install, by your own system's names:" >&2
	echo "  for $*: libmicrohttpd libcurl jansson libyaml c-ares zlib openssl libjq libseccomp (with headers)," >&2
	echo "  gcc make cmake>=3.25 pkg-config python3 curl; for tests also Check, clang with its tools and" >&2
	echo "  sanitizer run-times, cppcheck, nginx, python3-httpbin, iproute2, nftables, util-linux, strace," >&2
	echo "  chromium, node>=18 with npm." >&2
	command -v cmake >/dev/null && command -v pkg-config >/dev/null &&
		pkg-config --exists libmicrohttpd libcurl jansson yaml-0.1 libcares zlib libcrypto libseccomp || exit 1
	echo "install-deps: the libraries are here; going on." >&2
	exit 0
fi

wanted=""
for group in "$@"; do
	case $group in
	build) wanted="$wanted $build" ;;
	test) wanted="$wanted $test" ;;
	bench) wanted="$wanted $bench" ;;
	*) echo "install-deps: unknown group $group" >&2; exit 2 ;;
	esac
done

# A line for each architecture the package is known in.
installed() {
	dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=""
for package in $wanted; do
	case $package in
	gcc | make | cmake | git | curl | clang | clang-tidy | clang-format | cppcheck | pkg-config)
		command -v "$package" >/dev/null || missing="$missing $package" ;;
	nginx-light) [ -x /usr/sbin/nginx ] || missing="$missing $package" ;;
	python3) [ -x /usr/bin/python3 ] || missing="$missing $package" ;;
	*) installed "$package" || missing="$missing $package" ;;
	esac
done
case " $* " in
*" test "*)
	# Another source's nodejs brings its own npm and conflicts with Debian's: ask for the commands.
	command -v node >/dev/null || missing="$missing nodejs"
	command -v npm >/dev/null || missing="$missing npm"
	# The sanitizer run-times of clang are a package of their own, named after its version.
	version=$(clang -dumpversion 2>/dev/null | cut -d. -f1 || true)
	if [ -z "$version" ]; then
		case $(. /etc/os-release && echo "${VERSION_ID:-}") in
		12) version=14 ;;
		*) version=19 ;;
		esac
	fi
	[ -n "$(find /usr/lib/clang /usr/lib/llvm-"$version" -name 'libclang_rt.fuzzer*.a' 2>/dev/null | head -n 1)" ] ||
		missing="$missing libclang-rt-$version-dev" ;;
esac
[ -n "$missing" ] || exit 0

echo "install-deps: installing$missing"
if [ "$(id -u)" = 0 ]; then
	root=""
elif command -v sudo >/dev/null; then
	root="sudo"
else
	echo "install-deps: neither root nor sudo; as root run: apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
had_nginx=no
[ -x /usr/sbin/nginx ] && had_nginx=yes
apt="$root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
$apt update
# shellcheck disable=SC2086 # lists of words
$apt install -y --no-install-recommends $missing
# The tests start their own nginx; one that only came for them shall not serve port 80.
if [ $had_nginx = no ] && [ -d /run/systemd/system ] && [ -x /usr/sbin/nginx ]; then
	$root systemctl disable --now nginx || true
fi
