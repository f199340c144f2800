#!/usr/bin/env bash
# Clippy has nothing to say, in tests and examples neither, nor shellcheck of the scripts.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
cargo clippy --locked --all-targets -- -D warnings

if debian shellcheck shellcheck; then
    shellcheck -x -P SCRIPTDIR .ci/run .ci/lib.sh .ci/steps/*.sh examples/curl/*.sh
else
    skip shellcheck "not on this machine and not to be had as a Debian package"
fi
