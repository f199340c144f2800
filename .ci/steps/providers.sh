#!/usr/bin/env bash
# Providers' own libraries, as their registries give them, prove a live relay from both sides: what
# they sign is taken in and passed on, what was passed on they verify, what they did not sign is
# refused. What was proven with what goes into docs/providers.md.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

relay=${RELAY_BINARY:-$root/target/release/relay}
languages=2
folder=$(mktemp -d)
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
export PYTHONDONTWRITEBYTECODE=1
results=()
failed=0

# run NAME COMMAND...: COMMAND with a relay of its own, whose file it adds sources to; the file of
# its results comes last
run() {
    local name=$1 place
    shift
    place=$(mktemp -d -p "$folder")
    cat >"$place/relay.toml" <<CONFIG
[server]
listen = "127.0.0.1:0"
public_url = "https://hooks.example.com"
[data]
dir = "$place/data"
[delivery]
retry_schedule = ["50ms"]
jitter = 0.0
[guard]
allow = ["127.0.0.1/32"]
[log]
format = "text"
CONFIG
    chmod 600 "$place/relay.toml"
    "$relay" serve --config "$place/relay.toml" >"$place/relay.log" 2>&1 &
    local process=$!
    processes+=("$process")
    RELAY_SERVER=http://$(listening "$place/relay.log")
    RELAY_TOKEN=$(cat "$place/data/operator_key")
    RELAY_FILE=$place/relay.toml
    RELAY_PROCESS=$process
    export RELAY_SERVER RELAY_TOKEN RELAY_FILE RELAY_PROCESS
    local from=$SECONDS
    if timeout 180 "$@" "$place/results"; then
        echo "$name: passed in $((SECONDS - from)) s"
    else
        echo "$name: FAILED; the relay's log:" >&2
        tail -n 50 "$place/relay.log" >&2
        failed=1
    fi
    kill "$process"
    wait "$process" || { echo "the relay ended badly" >&2 && failed=1; }
    [ ! -e "$place/results" ] || results+=("$place/results")
}

python=$work/providers/python
if ! debian python3 python3; then
    skip "providers: python" "no python3 here and none to be had"
elif ! { [ -x "$python/bin/pip" ] || python3 -m venv "$python"; } ||
    ! timeout 300 "$python/bin/pip" install --quiet --disable-pip-version-check \
        --requirement .ci/providers/python/requirements.txt; then
    skip "providers: python" "no venv, or its libraries could not be installed"
else
    run "providers for Python" "$python/bin/python" .ci/providers/python/main.py
fi

node=$work/providers/node
mkdir -p "$node"
# modules are looked for beside what imports them
cp .ci/providers/node/*.mjs .ci/providers/node/package.json "$node/"
if ! debian node nodejs || ! debian npm npm; then
    skip "providers: node" "no node or no npm here and none to be had"
elif ! timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts \
    --prefix "$node" --cache "$work/providers/npm"; then
    skip "providers: node" "its libraries could not be installed"
else
    run "providers for Node" node "$node/main.mjs"
fi

[ "$failed" -ne 0 ] || [ ${#results[@]} -eq 0 ] ||
    python3 .ci/providers/table.py "$languages" "${results[@]}"
exit "$failed"
