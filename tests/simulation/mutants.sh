#!/bin/sh
# Proves that the simulation finds things: each patch in mutants/ breaks one rule of scheduler or
# store in a copy of the tree, and the simulation must fail within its seeds. The build has a
# target folder of its own: artefacts of the copy would pass for those of the tree.
#
#   tests/simulation/mutants.sh [name …]      all, or the named ones
#   RELAY_SIMULATION_SEEDS=1000               how many seeds a mutant may survive
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
seeds=${RELAY_SIMULATION_SEEDS:-1000}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target/mutants}"

if [ $# -eq 0 ]; then
    set -- $(cd "$root/tests/simulation/mutants" && ls -- *.patch | sed 's/\.patch$//')
fi

missed=0
for name in "$@"; do
    rm -rf "$copy/tree"
    mkdir "$copy/tree"
    (cd "$root" && tar -cf - --exclude=target --exclude=./data --exclude=./.git .) |
        tar -xf - -C "$copy/tree"
    cd "$copy/tree"
    if ! patch -s -p1 <"$root/tests/simulation/mutants/$name.patch" >"$copy/log" 2>&1; then
        echo "$name: does not apply"
        missed=$((missed + 1))
        continue
    fi
    if ! cargo test --quiet --test simulation --no-run >"$copy/log" 2>&1; then
        echo "$name: does not compile"
        sed 's/^/    /' "$copy/log"
        missed=$((missed + 1))
        continue
    fi
    if RELAY_SIMULATION_SEEDS=$seeds cargo test --quiet --test simulation >"$copy/log" 2>&1; then
        echo "$name: SURVIVED $seeds seeds"
        missed=$((missed + 1))
    else
        seed=$(sed -n 's/^seed \([0-9]*\):.*/\1/p' "$copy/log" | head -n 1)
        broken=$(sed -n 's/^after [0-9]* events: //p' "$copy/log" | head -n 1 | cut -c 1-100)
        echo "$name: caught by seed $seed: $broken"
    fi
done
[ "$missed" -eq 0 ]
