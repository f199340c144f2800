#!/usr/bin/env bash
# The README's five minutes, command by command, on other ports and another folder.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

for tool in curl openssl python3; do
    debian "$tool" "$tool" || { skip tour "no $tool here and none to be had" && exit 0; }
done
relay=${RELAY_BINARY:-$root/target/release/relay}
folder=$(mktemp -d)
process=
trap '[ -z "$process" ] || kill "$process" 2>/dev/null || true; rm -rf "$folder"' EXIT

awk '/^## /{inside = /^## Five minutes/} inside' README.md | awk '
    /^```/ && !inside { inside = 1; file = ""
        if ($0 == "```sh") file = sprintf("%s/block-%d.sh", folder, ++blocks); next }
    /^```/ { inside = 0; next }
    inside && file { print >file }' folder="$folder"
blocks=$(find "$folder" -name 'block-*.sh' | wc -l)
[ "$blocks" -eq 6 ] || { echo "the tour has $blocks blocks, not 6: mend this step" >&2 && exit 1; }

# the commands find the binary as the README has it
mkdir "$folder/path"
ln -s "$(realpath "$relay")" "$folder/path/relay"

# the first starts relay; the port it has taken goes into the others
export RELAY__SERVER__LISTEN=127.0.0.1:0 RELAY__DATA__DIR=$folder/data RELAY__LOG__FORMAT=text
sed "s|relay serve|exec $folder/path/relay serve|" "$folder/block-1.sh" >"$folder/serve.sh"
bash "$folder/serve.sh" >"$folder/relay.log" 2>&1 &
process=$!
address=$(listening "$folder/relay.log")

# the third starts a receiver on a fixed port: it takes a free one and tells which
{
    echo "set -euo pipefail"
    echo "listening() { CI_WORK=$work bash -c '. .ci/lib.sh; listening \"\$0\"' \"\$1\"; }"
    sed -e "s|\$PWD/target/release|$folder/path|" -e "s|127.0.0.1:8080|$address|" \
        -e "s|data/operator_key|$folder/data/operator_key|" "$folder/block-2.sh"
    echo 'trap "kill %1 2>/dev/null || true" EXIT'
    sed -e "s|PORT=3000|PORT=0|" -e "s| &\$| >$folder/receiver.log \&|" "$folder/block-3.sh"
    echo "port=\$(listening $folder/receiver.log)"
    sed "s|http://127.0.0.1:3000/|http://'\$port'/|" "$folder/block-4.sh"
    cat "$folder/block-5.sh" "$folder/block-5.sh"
    cat <<'AWAIT'
for _ in $(seq 100); do
    ! api "$RELAY_SERVER/api/v1/app/default/attempt/endpoint/tour" | grep -q atmpt_ || break
    sleep 0.1
done
AWAIT
    cat "$folder/block-6.sh"
} >"$folder/tour.sh"
if ! timeout 120 bash "$folder/tour.sh" >"$folder/said" 2>&1; then
    cat "$folder/said" "$folder/relay.log" >&2
    exit 1
fi
cat "$folder/said"
said() {
    if [ "$(grep -c -- "$1" "$folder/said")" -lt "$2" ]; then
        echo "the tour was to show $1 in $2 lines" >&2
        cat "$folder/relay.log" >&2
        exit 1
    fi
}
said '"id": *"ep_' 1
said '"id": *"msg_' 2
said 'delivered after 1 attempt' 1
if [ "$(grep -o '"id": *"msg_[A-Za-z0-9]*"' "$folder/said" | sort -u | wc -l)" -ne 1 ]; then
    echo "the same idempotency key made two messages" >&2
    exit 1
fi
# what the README shows, but for the id
shown=$(sed -n 's/^received msg_[A-Za-z0-9]* //p' README.md)
grep -qF -- "$shown" "$folder/receiver.log" || {
    echo "the receiver did not say $shown:" >&2
    cat "$folder/receiver.log" >&2
    exit 1
}
