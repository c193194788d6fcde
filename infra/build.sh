#!/bin/sh
# Builds dist: the program as JavaScript with its types, for Node refuses to strip types of an installed package (below a
# node_modules). npm pack calls it. The checkout itself runs without it.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
[ -f node_modules/typescript/bin/tsc ] || sh infra/setup.sh
rm -rf dist
sh infra/node node_modules/typescript/bin/tsc --project tsconfig.build.json
# What is read at run time beside the modules: styles, scripts of pages.
find workers shared -type f ! -name '*.ts' | while IFS= read -r file; do
  mkdir -p "dist/$(dirname -- "$file")"
  cp "$file" "dist/$file"
done
