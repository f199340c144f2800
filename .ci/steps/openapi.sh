#!/usr/bin/env bash
# docs/openapi.json against a live relay, by schemathesis: no 5xx, no status or shape that the
# document does not tell of, nothing taken that it forbids. And the page at /docs, in jsdom.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

schemathesis_version=4.32.5
jsdom_version=26.1.0

for tool in curl python3; do
    debian "$tool" "$tool" || { skip openapi "no $tool here and none to be had" && exit 0; }
done
relay=${RELAY_BINARY:-$root/target/release/relay}
python=$work/openapi/python
export NODE_FOLDER=$work/openapi/node
mkdir -p "$NODE_FOLDER"
folder=$(mktemp -d)
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT

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
processes+=($!)
python3 .ci/openapi/receiver.py >"$folder/receiver.log" &
processes+=($!)
RECEIVER_URL=http://$(listening "$folder/receiver.log")/
RELAY_SERVER=http://$(listening "$folder/relay.log")
RELAY_TOKEN=$(cat "$folder/data/operator_key")
export RECEIVER_URL RELAY_SERVER RELAY_TOKEN

if ! debian node nodejs || ! debian npm npm; then
    skip "openapi: the page" "no node or no npm here and none to be had"
elif ! timeout 300 npm install --silent --no-audit --no-fund --prefix "$NODE_FOLDER" \
    --cache "$work/clients/npm" "jsdom@$jsdom_version"; then
    skip "openapi: the page" "jsdom $jsdom_version could not be installed"
else
    timeout 120 node .ci/openapi/page.mjs
fi

if ! { [ -x "$python/bin/pip" ] || python3 -m venv "$python"; } || ! timeout 300 \
    "$python/bin/pip" install --quiet "schemathesis==$schemathesis_version"; then
    skip openapi "no venv, or schemathesis $schemathesis_version could not be installed"
    exit 0
fi

# make PATH JSON: one of what the document's examples name, so that paths lead somewhere
make() {
    curl --silent --show-error --fail-with-body --output "$folder/made" \
        -H "authorization: Bearer $RELAY_TOKEN" -H "content-type: application/json" \
        "$RELAY_SERVER/api/v1$1" -d "$2" || { cat "$folder/made" >&2 && exit 1; }
}
make /app '{"name": "Acme", "uid": "acme"}'
make /app/acme/endpoint '{"url": "'"$RECEIVER_URL"'", "uid": "books"}'
make /event-type '{"name": "invoice.paid", "description": "", "schemas": {"1": {
    "examples": [{"type": "invoice.paid"}]}}}'
make /app/acme/msg '{"eventType": "invoice.paid", "eventId": "invoice-1042-paid",
    "payload": {"type": "invoice.paid"}}'

# and one delivery that was tried
make /app '{"name": "Kept", "uid": "kept"}'
make /app/kept/endpoint '{"url": "'"$RECEIVER_URL"'"}'
make /app/kept/msg '{"eventType": "invoice.paid", "eventId": "kept", "payload": {}}'
for _ in $(seq 100); do
    ATTEMPT=$(curl --silent --show-error -H "authorization: Bearer $RELAY_TOKEN" \
        "$RELAY_SERVER/api/v1/app/kept/attempt/msg/kept" | grep -o 'atmpt_[A-Za-z0-9]*' |
        head -n 1 || true)
    [ -z "$ATTEMPT" ] || break
    sleep 0.1
done
[ -n "$ATTEMPT" ] || { tail "$folder/relay.log" >&2 && exit 1; }
export ATTEMPT

cd .ci/openapi
export HYPOTHESIS_STORAGE_DIRECTORY=$work/openapi/hypothesis
export PYTHONDONTWRITEBYTECODE=1
# ask OPTION …: the relay, with these phases and checks
ask() {
    if ! timeout 240 "$python/bin/schemathesis" --config-file schemathesis.toml run \
        "$RELAY_SERVER/api/v1/openapi.json" --generation-database none --no-color "$@" \
        >"$work/openapi/said" 2>&1; then
        cut -c 1-1000 "$work/openapi/said" | head -c 60000 >&2
        echo "the relay's log:" >&2
        tail -n 20 "$folder/relay.log" >&2
        exit 1
    fi
    grep -A 100 '= SUMMARY =' "$work/openapi/said"
}

# What is refused is judged by input that is the same each time. Input by chance is for 5xx,
# statuses and shapes; OPENAPI_LONG=1 has it look for what should have been refused, too.
ask --phases examples,coverage,stateful --max-time 90
by_chance=(--phases fuzzing --max-time 90)
[ -n "${OPENAPI_LONG:-}" ] || by_chance+=(--exclude-checks negative_data_rejection)
ask "${by_chance[@]}"
kill -0 "${processes[0]}" || { echo "the relay has ended" >&2 && exit 1; }
