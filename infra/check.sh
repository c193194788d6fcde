#!/bin/sh
# Format, lint, types, dead code: every finding of all four, then the verdict.
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
cd "$root" || exit 1
sh infra/setup.sh || exit 1
[ ! -x .node/node_modules/.bin/node ] || PATH=$root/.node/node_modules/.bin:$PATH
PATH=$root/node_modules/.bin:$PATH
export PATH
failed=''
check() {
  name=$1
  shift
  "$@" || failed="$failed $name"
}
check format oxfmt --check .
check lint oxlint --type-aware --deny-warnings
check types tsc --pretty false
check ui-types tsc --pretty false --project workers/admin/ui
check dead-code knip --no-progress
check documents sh infra/node --disable-warning=ExperimentalWarning infra/settings-table.ts --check
check commands sh infra/node --disable-warning=ExperimentalWarning infra/verb-table.ts --check
check rules sh infra/node infra/rule-table.ts --check
if [ -n "$failed" ]; then
  echo "check: failed:$failed" >&2
  exit 1
fi
echo 'check: format, lint, types, dead code and documents are in order'
