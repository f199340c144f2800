#!/usr/bin/env bash
# The static binary of docs/operations.md, where a musl target and linker can be had: that it links
# and starts. Optimising the whole of it once more, as the release does, would tell nothing else.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

target=$(uname -m)-unknown-linux-musl
# a machine made for this run takes the target; a person's toolchain stays as it is
if [ "${CI:-}" = true ]; then
    timeout 300 rustup target add "$target" || true
fi
if ! rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    skip "static build" "the Rust target $target is not installed (rustup target add $target)"
    exit 0
fi
if ! debian musl-gcc musl-tools; then
    skip "static build" "no musl-gcc here and none to be had"
    exit 0
fi
compiler=$(command -v musl-gcc)
if [[ $compiler == "$work"/* ]]; then
    # Debian's wrapper names absolute paths: the same files lie in the work folder
    library=/usr/lib/$(uname -m)-linux-musl
    include=/usr/include/$(uname -m)-linux-musl
    sed -e "s|$library|$work/debian$library|g" -e "s|$include|$work/debian$include|g" \
        "$work/debian$library/musl-gcc.specs" >"$work/musl-gcc.specs"
    printf '#!/bin/sh\nexec gcc "$@" -specs %s\n' "$work/musl-gcc.specs" >"$work/musl-gcc"
    chmod +x "$work/musl-gcc"
    compiler=$work/musl-gcc
fi
name=${target//-/_}
# for the C code alone: rustc links with the C library that its target brings
export "CC_$name=$compiler"
cargo build --locked --profile quick --target "$target"
binary=target/$target/quick/relay
"$binary" --version
if ldd "$binary" 2>&1 | grep -q '=>'; then
    echo "$binary is not static:" && ldd "$binary"
    exit 1
fi
ls -l "$binary"
