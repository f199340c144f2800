#!/usr/bin/env bash
# Fuzzes one target, or each of them, for so many seconds: tests/fuzz/run.sh [TARGET [SECONDS]].
# Needs Rust and a C++ compiler, and no nightly. What it finds lies in tests/fuzz/target/found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

targets=(filter steps content signature provider config journal api)
[ $# -eq 0 ] || [ "$1" = all ] || targets=("$1")
seconds=${2:-600}

# What cargo-fuzz sets, without its sanitizer, which takes a nightly: the code has no unsafe.
flags="-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table
    -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1"
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS=${flags//$'\n'/ } cargo build --locked --release --target "$host"
for target in "${targets[@]}"; do
    mkdir -p "target/corpus/$target" "target/found/$target"
    echo "== $target, $seconds s"
    RELAY_FUZZ=$target "target/$host/release/fuzz" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 -verbosity=0 \
        -dict=words.dict -artifact_prefix="target/found/$target/" "target/corpus/$target" \
        "seeds/$target" 2>&1 | tail -n 40
done
