#!/bin/sh
# Gets the mail programs that the tests check Rebound against, without installing them (an installed Postfix would push
# another mail server off the machine): swaks and Postfix's smtp-source and smtp-sink, two readers of reports, dkimpy;
# Prometheus' promtool and chromium. Their Debian packages are unpacked into .tools. Where that cannot be done, the tests that
# need them say so.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
cd "$root" || exit 1
exec 1>&2
has() { command -v "$1" >/dev/null 2>&1; }

# Debian's packages are for Debian's Python.
python=/usr/bin/python3
[ -x "$python" ] || python=python3

unpacked_libraries=$root/.tools/usr/lib/$(uname -m)-linux-gnu:$root/.tools/lib/$(uname -m)-linux-gnu
has_postfix() { [ -x .tools/usr/sbin/smtp-source ] || { has smtp-source && has smtp-sink && has swaks; }; }
has_bounceparser() { PERL5LIB=.tools/usr/share/perl5 perl -MMail::DeliveryStatus::BounceParser -e 1 2>/dev/null; }
# The library that python3-nacl needs lies among the unpacked ones.
has_dkimpy() {
  LD_LIBRARY_PATH=".tools/usr/lib/$(uname -m)-linux-gnu" PYTHONPATH=.tools/usr/lib/python3/dist-packages "$python" -c 'import dkim, nacl.signing' 2>/dev/null
}
has_chromium() { has chromium || LD_LIBRARY_PATH=$unpacked_libraries .tools/usr/lib/chromium/chromium --version >/dev/null 2>&1; }
has_flufl() { PYTHONPATH=.tools/usr/lib/python3/dist-packages "$python" -c 'import flufl.bounce' 2>/dev/null; }

has_promtool() { [ -x .tools/usr/bin/promtool ] || has promtool; }

libraries() { apt-cache depends postfix 2>/dev/null | awk '/Depends: lib/ { print $2 }'; }
packages_of() {
  case $1 in
    # libtirpc comes with libnsl.
    postfix) echo postfix swaks libtirpc3 $(libraries) ;;
    bounceparser) echo libmail-deliverystatus-bounceparser-perl libmailtools-perl libmime-tools-perl libtimedate-perl libconvert-binhex-perl ;;
    dkimpy) echo python3-dkim python3-dnspython python3-nacl python3-cffi-backend libsodium23 ;;
    promtool) echo prometheus ;;
    # Whatever an installation would bring that this machine does not have; a font, without which no page has words.
    chromium) apt-get install --simulate --no-install-recommends chromium fonts-dejavu-core 2>/dev/null | awk '/^Inst / { print $2 }' ;;
    flufl) echo python3-flufl.bounce python3-public python3-zope.interface python3-pkg-resources ;;
  esac
}

updated=''
download() { (cd .tools/packages && apt-get download -qq $(packages_of "$1")) >/dev/null 2>&1; }
update_once() { [ -z "$updated" ] && updated=yes && apt-get update -qq >/dev/null 2>&1; }

# get <group> <its name for people>
get() {
  ! "has_$1" || return 0
  if ! has apt-get || ! has dpkg-deb; then
    echo "test-tools: $2: not here; the tests that need it are left out"
    return 0
  fi
  echo "test-tools: unpacking $2 into .tools"
  mkdir -p .tools/packages
  download "$1" || { update_once && download "$1"; } || echo "test-tools: the packages of $2 could not be fetched"
  for package in .tools/packages/*.deb; do
    [ ! -f "$package" ] || dpkg-deb -x "$package" .tools
  done
  rm -rf .tools/packages
  "has_$1" || echo "test-tools: $2 does not work here; the tests that need it are left out"
}

get postfix "swaks and Postfix's smtp-source and smtp-sink"
get bounceparser 'Mail::DeliveryStatus::BounceParser'
get flufl 'flufl.bounce'
get dkimpy dkimpy
get promtool "Prometheus' promtool"
get chromium 'chromium (80 MB, and its libraries)'
