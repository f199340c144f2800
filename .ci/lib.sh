# Shared by .ci/run and its steps: where things go, how a step says that it could not run.
# shellcheck shell=bash

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# everything a run installs or writes lies here or in target/
work=${CI_WORK:-$root/target/ci}
mkdir -p "$work"
export CI_WORK=$work CARGO_TERM_COLOR=never NO_COLOR=1 DEBIAN_FRONTEND=noninteractive

# skip WHAT WHY: says so, and has it repeated at the end of the run
skip() {
    echo "SKIPPED $1: $2"
    echo "SKIPPED $1: $2" >>"$work/skipped"
}

# debian TOOL PACKAGE...: makes TOOL available. Takes the machine's own, else Debian's packages with
# what they need, unpacked into the work folder: no root, nothing installed. Fails when there is
# neither; say `debian … || skip …`.
debian() {
    local tool=$1 tree=$work/debian libraries
    shift
    libraries=$tree/usr/lib/$(uname -m)-linux-gnu
    export PATH=$PATH:$tree/usr/sbin:$tree/usr/bin
    export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries
    if command -v "$tool" >/dev/null; then
        return 0
    fi
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    mkdir -p "$tree" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    local apt=(
        timeout 300 apt-get -qq -o "Dir::State::lists=$work/apt/lists"
        -o "Dir::Cache=$work/apt/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=
    )
    if [ ! -e "$work/apt/updated" ]; then
        "${apt[@]}" update >"$work/apt/log" 2>&1 || return 1
        touch "$work/apt/updated"
    fi
    "${apt[@]}" install --yes --download-only --no-install-recommends "$@" \
        >>"$work/apt/log" 2>&1 || return 1
    local package
    for package in "$work"/apt/cache/archives/*.deb; do
        dpkg -x "$package" "$tree"
        rm "$package"
    done
    command -v "$tool" >/dev/null
}

# listening LOG: the address that a program's log says it listens on, once it does (30 s at most)
listening() {
    local log=$1 tries address
    for tries in $(seq 300); do
        address=$(sed -n 's|.*listening on http://\([0-9.:]*\).*|\1|p' "$log" 2>/dev/null |
            head -n 1)
        if [ -n "$address" ]; then
            echo "$address"
            return 0
        fi
        sleep 0.1
    done
    echo "nothing listens after $tries tries; the log:" >&2
    cat "$log" >&2
    return 1
}
