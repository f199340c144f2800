#!/usr/bin/env bash
# The formatting is rustfmt's.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo fmt --all --check
cargo fmt --check --manifest-path tests/fuzz/Cargo.toml
