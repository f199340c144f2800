#!/usr/bin/env bash
# The formatting is rustfmt's, and prettier's for the scripts and the style of the pages.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

prettier=3.10.1

cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo fmt --all --check
cargo fmt --check --manifest-path tests/fuzz/Cargo.toml

mkdir -p "$work/prettier"
if ! debian node nodejs || ! debian npm npm; then
    skip prettier "no node or no npm here and none to be had"
elif ! timeout 300 npm install --silent --no-audit --no-fund --prefix "$work/prettier" \
    --cache "$work/clients/npm" "prettier@$prettier"; then
    skip prettier "it could not be installed"
else
    "$work/prettier/node_modules/.bin/prettier" --check 'assets/ui/*.js' 'assets/ui/*.css' \
        '.ci/browser/*.mjs'
fi
