#!/bin/sh
# gather.sh PROGRAM FOLDER - what an image of PROGRAM needs, laid out in FOLDER as its root.
#
# The stripped program, the libraries that ldd names with their packages' licences and descriptions (so that scanners find what is in
# here), certificates, one user, the state's folder, and the empty folders that a runtime mounts over when the root is read-only.
set -eu
program=$1 root=$2

mkdir -p "$root/proc" "$root/dev" "$root/sys" "$root/tmp" "$root/etc/batchgate" "$root/etc/ssl/certs" \
	"$root/usr/bin" "$root/var/lib/dpkg/status.d"
chmod 1777 "$root/tmp"
install -s -m 755 "$program" "$root/usr/bin/batchgate"
install -d -o 10001 -g 10001 -m 750 "$root/var/lib/batchgate"
echo '# Mount a configuration over this file; what it does not say, the environment (BATCHGATE_*) may.' \
	>"$root/etc/batchgate/batchgate.yaml"

copy() {
	mkdir -p "$root$(dirname "$1")"
	cp -L "$1" "$root$1"
}
# Libraries lie in /usr/lib, where /lib points; dpkg may know them by either name.
owner() {
	dpkg-query -S "$1" 2>/dev/null || dpkg-query -S "/usr$1" 2>/dev/null || dpkg-query -S "${1#/usr}"
}

packages=ca-certificates
libraries=$(ldd "$root/usr/bin/batchgate" | sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p')
for library in $libraries; do
	copy "$library"
	packages="$packages $(owner "$(readlink -f "$library")" | cut -d: -f1 | head -n 1)"
done
# shellcheck disable=SC2086 # a list of words
for package in $(printf '%s\n' $packages | sort -u); do
	dpkg-query -s "$package" >"$root/var/lib/dpkg/status.d/$package"
	copy "/usr/share/doc/$package/copyright"
done

copy /etc/os-release
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
install -D -m 644 LICENSE "$root/usr/share/doc/batchgate/copyright"
echo 'batchgate:x:10001:10001:batchgate:/var/lib/batchgate:/usr/sbin/nologin' >"$root/etc/passwd"
echo 'batchgate:x:10001:' >"$root/etc/group"
printf 'passwd: files\ngroup: files\nhosts: files dns\n' >"$root/etc/nsswitch.conf"

echo "gather: $(echo "$libraries" | wc -w) libraries, $(du -sk "$root" | cut -f1) KiB"
