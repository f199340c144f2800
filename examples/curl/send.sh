#!/bin/sh
# Sends a message through relay, safely: run it twice and it is still delivered once.
#
#   RELAY_SERVER=http://127.0.0.1:8080 RELAY_TOKEN=sk_... sh send.sh 1042
set -eu

relay=${RELAY_SERVER:-http://127.0.0.1:8080}
token=${RELAY_TOKEN:?set RELAY_TOKEN to a key of your relay}
invoice=${1:-1042}

# --retry tries again when relay can't be reached or is overloaded. The key is made from what
# happened, not from chance: a second try is answered as the first was. The token comes through
# standard input, so that no process list shows it.
answer=$(
    curl --silent --show-error --fail-with-body --max-time 30 \
        --retry 3 --retry-connrefused \
        --config - "$relay/api/v1/app/default/msg" \
        --header "content-type: application/json" \
        --header "idempotency-key: invoice-$invoice-paid" \
        --data-binary "{\"eventType\":\"invoice.paid\",\"payload\":{\"type\":\"invoice.paid\",\
\"data\":{\"invoice\":$invoice}}}" <<CONFIG
header = "authorization: Bearer $token"
CONFIG
) || {
    printf '%s\n' "$answer" >&2
    exit 1
}
printf 'accepted %s\n' "$(printf '%s' "$answer" | sed -n 's/.*"id": *"\(msg_[^"]*\)".*/\1/p')"
