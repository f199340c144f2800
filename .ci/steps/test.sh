#!/usr/bin/env bash
# The whole suite: units, properties, simulation, API, processes and short faults, examples, tidy.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# for the examples; without them their test says what it skipped
debian python3 python3 || skip "examples: python" "no python3 here and none to be had"
debian node nodejs || skip "examples: node" "no node here and none to be had"
debian curl curl || skip "examples: curl" "no curl here and none to be had"
debian openssl openssl || skip "examples: openssl" "no openssl here and none to be had"
# for the wrong clocks
debian faketime faketime libfaketime || skip "faults: clock" "no libfaketime to be had"
command -v systemd-analyze >/dev/null || skip "packaging: systemd-analyze" "not on this machine"

# what a test could not do here it says in a line that begins with SKIPPED
cargo test --locked --no-fail-fast -- --show-output 2>&1 | tee "$work/test.log"
grep -E '^SKIPPED[: ]' "$work/test.log" >>"$work/skipped" || true
