#!/bin/sh
# install-deps.sh GROUP... - installs what is missing, and nothing else, for: build, docs (the page of GET /docs), test, bench, image,
# package, package-test, trixie.
# install-deps.sh --list GROUP... - prints the packages' names instead.
#
# Debian 12 and 13 (and what derives from them). Where all is there, nothing runs and no right is needed.
set -eu

build="gcc libc6-dev make cmake pkg-config libmicrohttpd-dev libcurl4-openssl-dev libjansson-dev libyaml-dev
	libc-ares-dev zlib1g-dev libssl-dev libjq-dev libseccomp-dev ca-certificates python3 curl"
docs="nodejs npm"
test="git check clang clang-tidy clang-format llvm cppcheck binutils nginx-light python3-httpbin openssl
	iproute2 nftables util-linux mount strace procps chromium nghttp2-server tinyproxy
	mandoc man-db systemd bsdextrautils gzip jq"
bench="nginx-light"
package="dpkg-dev fakeroot file"
package_test="check iproute2 lintian mmdebstrap podman runc util-linux mount"
image="mmdebstrap buildah podman runc uidmap" # not needed where a docker engine answers
trixie="mmdebstrap debian-archive-keyring git util-linux mount"

list=no
if [ "${1:-}" = --list ]; then
	list=yes
	shift
fi
wanted=""
for group in "$@"; do
	case $group in
	build) wanted="$wanted $build" ;;
	test) wanted="$wanted $test $docs" ;;
	docs) wanted="$wanted $docs" ;;
	bench) wanted="$wanted $bench" ;;
	package) wanted="$wanted $package" ;;
	package-test) wanted="$wanted $package $package_test" ;;
	image) wanted="$wanted $image" ;;
	trixie) wanted="$wanted $trixie" ;;
	*) echo "install-deps: unknown group $group" >&2; exit 2 ;;
	esac
done

if [ $list = yes ]; then
	# shellcheck disable=SC2086 # a list of words
	echo $wanted
	exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "install-deps: this is not Debian. Please install, by your own system's names:" >&2
	echo "  for $*: libmicrohttpd libcurl jansson libyaml c-ares zlib openssl libjq libseccomp (with headers)," >&2
	echo "  gcc make cmake>=3.25 pkg-config python3 curl, node>=18 with npm for /docs; for tests also Check, clang with its tools and" >&2
	echo "  sanitizer run-times, cppcheck, nginx, python3-httpbin, iproute2, nftables, util-linux, strace, nghttpd, tinyproxy," >&2
	echo "  chromium, mandoc, man, systemd's tools, jq." >&2
	command -v cmake >/dev/null && command -v pkg-config >/dev/null &&
		pkg-config --exists libmicrohttpd libcurl jansson yaml-0.1 libcares zlib libcrypto libseccomp || exit 1
	echo "install-deps: the libraries are here; going on." >&2
	exit 0
fi

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
	# Another source's nodejs brings its own npm and conflicts with Debian's: ask for the commands.
	nodejs) command -v node >/dev/null || missing="$missing nodejs" ;;
	npm) command -v npm >/dev/null || missing="$missing npm" ;;
	*) installed "$package" || missing="$missing $package" ;;
	esac
done
case " $* " in
*" test "*)
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
had_tinyproxy=no
command -v tinyproxy >/dev/null && had_tinyproxy=yes
apt="$root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
$apt update
# shellcheck disable=SC2086 # lists of words
$apt install -y --no-install-recommends $missing
# The tests start their own nginx and tinyproxy; what only came for them shall not serve anybody.
if [ $had_nginx = no ] && [ -d /run/systemd/system ] && [ -x /usr/sbin/nginx ]; then
	$root systemctl disable --now nginx || true
fi
if [ $had_tinyproxy = no ] && [ -d /run/systemd/system ] && command -v tinyproxy >/dev/null; then
	$root systemctl disable --now tinyproxy || true
fi
