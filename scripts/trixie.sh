#!/bin/bash
# trixie.sh [STAGE...] - builds and tests in Debian 13, as test.sh does here (no stage: dev), in a tree of its own.
# trixie.sh -- COMMAND [ARGUMENT]... - runs that there instead, in its copy of the working folder.
#
# The tree (TRIXIE=build/trixie) is made by mmdebstrap and kept, packages and build with it; MIRROR says where from. What is
# tested is a copy of what git knows here or would take, changed or not. Packages and npm's modules come over the network
# first; the build and the tests then have loopback and nothing else. All mounts and processes are in name spaces of their
# own and go with them, however this ends. Needs root. The result is that of test.sh or the command, and so are the last lines.
set -eu
cd "$(dirname "$0")/.."
tree=${TRIXIE:-build/trixie}
mirror=${MIRROR:-http://deb.debian.org/debian}
if [ "${1:-}" = -- ] && [ $# -gt 1 ]; then
	shift
else
	[ $# -gt 0 ] || set -- dev
	set -- bash scripts/test.sh "$@"
fi

if [ "$(id -u)" != 0 ]; then
	echo "trixie.sh: needs root, for mounts and chroot: sudo make test-trixie" >&2
	exit 2
fi
sh scripts/install-deps.sh trixie
mkdir -p "$(dirname "$tree")"
tree=$(realpath -m "$tree")
exec 9>"$tree.lock"
flock -n 9 || {
	echo "trixie.sh: $tree is in use" >&2
	exit 2
}

if [ ! -d "$tree" ]; then
	echo "trixie.sh: making $tree"
	# One that was broken off: no mount of ours outlives us, so nothing else can lie in it.
	rm -rf --one-file-system "$tree.part"
	TMPDIR=$(dirname "$tree") mmdebstrap --quiet --variant=minbase --include=ca-certificates,make,git,iproute2,util-linux \
		--aptopt='APT::Install-Recommends "false"' trixie "$tree.part" "$mirror" \
		"deb $mirror trixie-updates main" \
		"deb ${SECURITY_MIRROR:-http://deb.debian.org/debian-security} trixie-security main"
	mv "$tree.part" "$tree"
fi

# What was copied before and is gone goes; what is the same keeps its time, so that only what changed is built again.
mkdir -p "$tree/src"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
	[ ! -e "$file" ] || printf '%s\0' "$file"
done | sort -z >"$tree/src.new"
if [ -f "$tree/src.list" ]; then
	comm -z -23 "$tree/src.list" "$tree/src.new" | (cd "$tree/src" && xargs -0 -r rm -f)
fi
mv "$tree/src.new" "$tree/src.list"
tar -cf - --no-recursion --null -T "$tree/src.list" | tar -xf - -C "$tree/src" --no-same-owner

# in_tree SCRIPT [ARGUMENT]...: a process namespace of its own, so that nothing it starts outlives it. The tree becomes a
# mount point: name spaces made inside want their root to be one.
in_tree() {
	# shellcheck disable=SC2016 # expanded inside
	setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --propagation private bash -euc '
		tree=$1
		shift
		mount --bind "$tree" "$tree"
		mount -t proc proc "$tree/proc"
		mount --rbind /sys "$tree/sys"
		mount --rbind /dev "$tree/dev"
		mount -t tmpfs tmpfs "$tree/tmp"
		if [ -s /etc/resolv.conf ]; then
			[ -e "$tree/etc/resolv.conf" ] || : >"$tree/etc/resolv.conf"
			mount --bind /etc/resolv.conf "$tree/etc/resolv.conf"
		fi
		if [ -f "${NODE_EXTRA_CA_CERTS:-}" ]; then
			cp "$NODE_EXTRA_CA_CERTS" "$tree/tmp/authorities.pem"
			export NODE_EXTRA_CA_CERTS=/tmp/authorities.pem
		fi
		exec chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
			${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
			${NODE_EXTRA_CA_CERTS:+NODE_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"} ${JOBS:+JOBS="$JOBS"} bash -euc "$@"
	' trixie.sh "$tree" "$@" </dev/null 9>&-
}

# shellcheck disable=SC2016 # expanded inside
in_tree 'cd /src
	export DEBIAN_FRONTEND=noninteractive
	sh scripts/install-deps.sh build test
	for lock in tests/*/package-lock.json; do
		sh scripts/npm-ci.sh "$(dirname "$lock")" >/dev/null
	done
	# Into the cache of npm, which is all that the building of the page for GET /docs has.
	mkdir -p build/docs
	cp handlers/docs/package.json handlers/docs/package-lock.json handlers/docs/.npmrc build/docs
	sh scripts/npm-ci.sh build/docs >/dev/null
	sh scripts/promtool.sh >/dev/null' install
# shellcheck disable=SC2016 # expanded inside
in_tree 'cd /src
	. /etc/os-release
	printf "%s %s:" "$NAME" "$(cat /etc/debian_version)"
	for package in gcc libcurl4-openssl-dev libmicrohttpd-dev libjq-dev libc-ares-dev libssl-dev libjansson-dev python3; do
		printf " %s %s" "$package" "$(dpkg-query -W -f "\${Version}" "$package")"
	done
	printf "\n"
	export npm_config_prefer_offline=true
	exec unshare --net bash -euc "ip link set lo up; exec \"\$@\"" loopback "$@"' run "$@"
