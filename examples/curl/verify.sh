#!/bin/sh
# Checks by hand that a request came from relay: its three headers as arguments, its body, byte for
# byte, on standard input. Exit code 0 when it did. Needs openssl.
#
#   RELAY_SECRET=whsec_... sh verify.sh "$id" "$timestamp" "$signature" < body
#
# openssl takes the key as an argument, which other users of the machine can see: for looking into
# one request, not for a server.
set -eu

secret=${RELAY_SECRET:?set RELAY_SECRET to the whsec_... of the endpoint}
id=$1 timestamp=$2 signature=$3

case $timestamp in
'' | *[!0-9]* | ?????????????*) echo "webhook-timestamp is not a number" >&2 && exit 1 ;;
esac
age=$(($(date +%s) - timestamp))
if [ "$age" -gt 300 ] || [ "$age" -lt -300 ]; then
    echo "webhook-timestamp is $age s from the clock, 300 are allowed" >&2
    exit 1
fi

key=$(printf '%s' "${secret#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
expected=$(
    { printf '%s.%s.' "$id" "$timestamp" && cat; } |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A
)
# one signature for each secret while secrets are rotated: any that matches will do
for item in $signature; do
    if [ "$item" = "v1,$expected" ]; then
        echo "verified $id"
        exit 0
    fi
done
echo "no signature matches" >&2
exit 1
