#!/usr/bin/env bash
# The Svix client libraries, as their registries give them, against a live relay.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# both generations of the API's conventions: 1.x does not ask for content, 2.x does
python_version=2.9.1
node_version=1.99.1

relay=${RELAY_BINARY:-$root/target/release/relay}
folder=$(mktemp -d)
trap 'kill "$process" 2>/dev/null || true; rm -rf "$folder"' EXIT
cat >"$folder/relay.toml" <<CONFIG
[server]
listen = "127.0.0.1:0"
[data]
dir = "$folder/data"
[guard]
allow = ["127.0.0.1/32"]
[log]
format = "text"
CONFIG
"$relay" serve --config "$folder/relay.toml" >"$folder/relay.log" 2>&1 &
process=$!
RELAY_URL=http://$(listening "$folder/relay.log")
RELAY_TOKEN=$(cat "$folder/data/operator_key")
export RELAY_URL RELAY_TOKEN

# run NAME COMMAND...
run() {
    local name=$1
    shift
    if ! timeout 120 "$@"; then
        echo "$name failed; the relay's log:" >&2
        tail -n 50 "$folder/relay.log" >&2
        exit 1
    fi
    echo "$name: passed"
}

python=$work/clients/python
if ! debian python3 python3; then
    skip "clients: python" "no python3 here and none to be had"
elif ! { [ -x "$python/bin/pip" ] || python3 -m venv "$python"; } ||
    ! timeout 300 "$python/bin/pip" install --quiet "svix==$python_version"; then
    skip "clients: python" "no venv, or svix $python_version could not be installed"
else
    run "svix $python_version for Python" "$python/bin/python" .ci/clients/story.py
    run "svix $python_version for Python, operations" "$python/bin/python" .ci/clients/operations.py
fi

CLIENTS=$work/clients/node
export CLIENTS
mkdir -p "$CLIENTS"
if ! debian node nodejs || ! debian npm npm; then
    skip "clients: node" "no node or no npm here and none to be had"
elif ! timeout 300 npm install --silent --no-audit --no-fund --prefix "$CLIENTS" \
    --cache "$work/clients/npm" "svix@$node_version"; then
    skip "clients: node" "svix $node_version could not be installed"
else
    run "svix $node_version for Node" node .ci/clients/story.mjs
fi
