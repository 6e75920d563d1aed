#!/bin/sh
# npm-ci.sh FOLDER - brings node_modules to what package-lock.json says; nothing to do where that is so already.
# One at a time: two build trees may ask at once.
set -eu
cd "$1"
exec 9>.npm-ci.lock
flock 9
if [ -f node_modules/.lock ] && cmp -s package-lock.json node_modules/.lock; then
	exit 0
fi
npm ci --no-audit --no-fund
cp package-lock.json node_modules/.lock
