#!/usr/bin/env bash
# The binary that people install: it builds, starts, and stays small.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

cargo build --locked --release
target/release/relay --version
size=$(stat -c %s target/release/relay)
echo "target/release/relay: $size bytes"
# with the dashboard, the portal and the manual in it
if [ "$size" -ge $((20 << 20)) ]; then
    echo "the binary is to stay under 20 MiB" >&2
    exit 1
fi
if grep -q RELAY_TEST_PANIC_POINTS target/release/relay; then
    echo "the points at which tests have it panic are for debug builds alone" >&2
    exit 1
fi
