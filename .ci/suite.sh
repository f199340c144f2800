# Shared by the steps whose programs drive a live relay: each gets one of its own.
# shellcheck shell=bash

relay=${RELAY_BINARY:-$root/target/release/relay}
folder=$(mktemp -d)
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT
export PYTHONDONTWRITEBYTECODE=1
# files that the programs wrote their results to
results=()
failed=0

# run NAME COMMAND...: COMMAND with a relay that has $settings too, whose file it may change; the
# file of its results comes last
run() {
    local name=$1 place
    shift
    place=$(mktemp -d -p "$folder")
    # what a program adds to the file may hold secrets
    (umask 077 && cat >"$place/relay.toml") <<CONFIG
[data]
dir = "$place/data"
[delivery]
retry_schedule = ["50ms"]
jitter = 0.0
[guard]
allow = ["127.0.0.1/32"]
[log]
format = "text"
${settings:?}
CONFIG
    "$relay" serve --config "$place/relay.toml" >"$place/relay.log" 2>&1 &
    local process=$!
    processes+=("$process")
    RELAY_SERVER=http://$(listening "$place/relay.log")
    RELAY_TOKEN=$(cat "$place/data/operator_key")
    RELAY_FILE=$place/relay.toml
    RELAY_PROCESS=$process
    export RELAY_SERVER RELAY_TOKEN RELAY_FILE RELAY_PROCESS
    local from=$SECONDS
    if timeout "${patience:-180}" "$@" "$place/results"; then
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
