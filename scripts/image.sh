#!/bin/sh
# image.sh build [TAG] - builds the container image: with docker where an engine answers, else with buildah.
# image.sh engine      - prints the command that runs it: docker, or podman with where its images are.
# image.sh clean       - removes what buildah and podman keep here, with what a build that was cut left mounted.
#
# Without an engine no registry is needed: the base is made from Debian's archive (mmdebstrap) with what the build needs, once a
# week, and all images are kept in build/image. BASE=name takes another base; JOBS=n compiles with so many processes; DOCS=OFF leaves
# out the page of GET /docs, which npm fetches: with the authorities that npm is told of here (NODE_EXTRA_CA_CERTS).
set -eu
: "${NODE_EXTRA_CA_CERTS:=}"
[ -z "$NODE_EXTRA_CA_CERTS" ] || NODE_EXTRA_CA_CERTS=$(realpath -m "$NODE_EXTRA_CA_CERTS")
cd "$(dirname "$0")/.."
home=$PWD/build/image
# Only an address on the web, without what may be secret in it (name, password, query): it ends in a label.
source=$(git config --get remote.origin.url 2>/dev/null |
	sed -n 's|^\(https*://\)\([^/@]*@\)*|\1|; /@/d; s|[?#].*||; /^https*:/p')

groups="build docs"
[ "${DOCS:=ON}" != OFF ] || groups=build
authorities=authorities.crt

has_docker() {
	command -v docker >/dev/null && timeout 20 docker info >/dev/null 2>&1
}

# Sets `store`: overlay where the file system can, else whole copies.
find_store() {
	sh scripts/install-deps.sh image >&2
	mkdir -p "$home"
	for driver in overlay vfs; do
		store="--storage-driver $driver --root $home/store-$driver --runroot $home/run-$driver"
		# shellcheck disable=SC2086 # a list of words
		if podman $store info >/dev/null 2>&1; then
			return
		fi
	done
	echo "image: podman can keep no images in $home:" >&2
	# shellcheck disable=SC2086
	podman $store info >&2
	exit 1
}

# What the machine's own apt has fetched already is not fetched again. The manual's tricks, in its words: mmdebstrap(1).
# shellcheck disable=SC2016 # what stands in a hook is expanded there
make_base() {
	stamp=$home/$1
	# shellcheck disable=SC2086 # lists of words
	if [ -n "$(find "$stamp" -mtime -7 2>/dev/null)" ] && podman $store image exists "localhost/$1"; then
		return
	fi
	rm -f "$home"/base-*.tar
	TMPDIR=$home mmdebstrap --quiet --variant=minbase --aptopt='APT::Install-Recommends "false"' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		--skip=download/empty,essential/unlink \
		--setup-hook='mkdir -p "$1/var/cache/apt/archives"' \
		--setup-hook='ls /var/cache/apt/archives | sed -n "s,.*\.deb\$,/var/cache/apt/archives/&,p" |
			xargs -r cp -l -t "$1/var/cache/apt/archives" 2>/dev/null || true' \
		--include="$(sh scripts/install-deps.sh --list $groups | tr ' ' ,)" bookworm "$home/$1.tar" \
		'deb http://deb.debian.org/debian bookworm main' \
		'deb http://deb.debian.org/debian bookworm-updates main' \
		'deb http://deb.debian.org/debian-security bookworm-security main' >&2
	# shellcheck disable=SC2086
	podman $store import --quiet "$home/$1.tar" "localhost/$1:latest" >/dev/null
	rm -f "$home/$1.tar"
	touch "$stamp"
}

# What is put there by hand stays and is taken. One build of a tree at a time: the other's end would take it away.
lend_authorities() {
	mkdir -p build
	exec 9>build/image.lock
	flock 9
	if [ -e $authorities ]; then
		echo "image: npm is told of the authorities in $authorities"
	elif [ "$DOCS" != OFF ] && [ -f "$NODE_EXTRA_CA_CERTS" ]; then
		trap 'rm -f $authorities' EXIT
		trap 'exit 129' HUP
		trap 'exit 130' INT
		trap 'exit 143' TERM
		cp "$NODE_EXTRA_CA_CERTS" $authorities
	fi
}

build() {
	lend_authorities
	set -- --build-arg SOURCE="$source" --build-arg JOBS="${JOBS:-}" --build-arg DOCS="$DOCS" \
		-f docker/Dockerfile -t "$1"
	if has_docker; then
		docker build ${BASE:+--build-arg BASE="$BASE"} "$@" .
		return
	fi
	find_store
	if [ -z "${BASE:-}" ]; then
		# shellcheck disable=SC2086 # a list of words
		name=batchgate-base-$(sh scripts/install-deps.sh --list $groups | cksum | cut -d' ' -f1)
		make_base "$name"
		BASE=localhost/$name:latest
	fi
	# shellcheck disable=SC2086
	buildah $store bud --isolation chroot --format docker --pull-never --build-arg BASE="$BASE" "$@" .
	# shellcheck disable=SC2086
	podman $store image prune --force >/dev/null # what had this name before
	echo "image: kept in build/image; it is run with: $(engine) run"
}

engine() {
	if has_docker; then
		echo docker
		return
	fi
	find_store
	echo "podman $store --cgroup-manager cgroupfs --events-backend file --runtime runc"
}

# Volumes may hold what somebody wants to keep.
refuse_in_use() {
	for folder in "$home"/store-*; do
		[ -d "$folder" ] && command -v podman >/dev/null || continue
		driver=${folder##*/store-}
		store="--storage-driver $driver --root $folder --runroot $home/run-$driver"
		# shellcheck disable=SC2086
		used=$(podman $store ps --all --quiet; podman $store volume ls --quiet)
		[ -z "$used" ] && continue
		echo "image: containers or volumes are kept in $folder; remove them first:" >&2
		echo "  podman $store rm --all; podman $store volume prune" >&2
		exit 1
	done
}

clean() {
	refuse_in_use
	awk -v home="$home/" 'index($2, home) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount
	rm -rf "$home"
}

case ${1:-} in
build) build "${2:-batchgate}" ;;
engine) engine ;;
clean) clean ;;
*) echo "usage: image.sh build [TAG] | engine | clean" >&2; exit 2 ;;
esac
