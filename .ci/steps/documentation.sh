#!/usr/bin/env bash
# Every public item is documented and every link in the documentation leads somewhere.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
