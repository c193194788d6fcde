#!/bin/sh
# Gets the mail programs that the tests check Rebound against, swaks and Postfix's smtp-source and smtp-sink, without
# installing them: an installed Postfix would push another mail server off the machine. Their Debian packages are
# unpacked into .tools. Where that cannot be done, the tests that need them say so.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
cd "$root" || exit 1
exec 1>&2
has() { command -v "$1" >/dev/null 2>&1; }

if has smtp-source && has smtp-sink && has swaks; then exit 0; fi
[ ! -x .tools/usr/sbin/smtp-source ] || exit 0
if ! has apt-get || ! has dpkg-deb; then
  echo 'test-tools: swaks and smtp-source (Postfix) are not here; the tests that need them are left out'
  exit 0
fi
echo 'test-tools: unpacking swaks and smtp-source into .tools'
rm -rf .tools
mkdir -p .tools/packages
fetch() {
  libraries=$(apt-cache depends postfix 2>/dev/null | awk '/Depends: lib/ { print $2 }')
  # libtirpc comes with libnsl.
  (cd .tools/packages && apt-get download -qq postfix swaks libtirpc3 $libraries) >/dev/null 2>&1
}
fetch || { apt-get update -qq >/dev/null 2>&1 && fetch; } || echo 'test-tools: their packages could not be fetched'
for package in .tools/packages/*.deb; do
  [ ! -f "$package" ] || dpkg-deb -x "$package" .tools
done
rm -rf .tools/packages
