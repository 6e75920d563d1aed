#!/bin/sh
# cppcheck.sh BUILD - cppcheck over the daemon's sources, which BUILD has listed.
#
# Suppressed, each for a reason:
#   missingIncludeSystem  the libraries' headers are not read: their macros are many and not ours
set -eu
cache=$1/cppcheck
mkdir -p "$cache"
exec cppcheck --file-list="$1/daemon-files" -I "$(dirname "$0")/.." --std=c11 --language=c \
	-D_GNU_SOURCE -D__linux__ -D__GNUC__=12 -DBATCHGATE_VERSION='""' \
	--enable=warning,performance,portability --inline-suppr --suppress=missingIncludeSystem \
	--error-exitcode=1 --cppcheck-build-dir="$cache" -j "$(nproc)" --quiet \
	--template='{file}:{line}: {severity}: {message} [{id}]'
