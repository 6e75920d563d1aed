#!/bin/sh
# promtool.sh - prints where Prometheus's checker of configurations is: installed, or unpacked to build/prometheus.
# Debian's package would come with a server that runs; only its file is wanted.
set -eu
cd "$(dirname "$0")/.."
if command -v promtool; then
	exit 0
fi
# In Debian 13 it is a package of its own.
fetch() {
	# shellcheck disable=SC2046 # a word, or none
	apt-get -q download prometheus $(apt-cache --names-only search '^promtool$' | cut -d ' ' -f 1)
}

program=build/prometheus/usr/bin/promtool
mkdir -p build/prometheus
exec 9>build/prometheus/.lock
flock 9
if ! [ -x "$program" ]; then
	(
		cd build/prometheus
		if ! fetch; then
			[ "$(id -u)" = 0 ] || sudo -n apt-get -q update
			[ "$(id -u)" != 0 ] || apt-get -q update
			fetch
		fi
		for package in *.deb; do
			dpkg -x "$package" .
			rm "$package"
		done
	) >&2
fi
echo "$PWD/$program"
