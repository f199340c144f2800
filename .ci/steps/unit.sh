#!/usr/bin/env bash
# relay does nothing that packaging/relay.service forbids: a run of it is traced and compared with
# the unit's system call filter, address families and ban on writable code.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

relay=${RELAY_BINARY:-$root/target/release/relay}
command -v systemd-analyze >/dev/null || { skip unit "no systemd-analyze here" && exit 0; }
debian strace strace || { skip unit "no strace here and none to be had" && exit 0; }
debian curl curl || { skip unit "no curl here and none to be had" && exit 0; }
strace -qq -o /dev/null true 2>/dev/null || { skip unit "tracing is not allowed here" && exit 0; }

folder=$(mktemp -d)
tracer=
trap '[ -z "$tracer" ] || kill "$tracer" 2>/dev/null || true; rm -rf "$folder"' EXIT

# the calls of a filter's groups and names, one a line
expand() {
    local word
    for word in "$@"; do
        if [[ $word == @* ]]; then
            local -a inner
            mapfile -t inner < <(systemd-analyze --no-pager syscall-filter "$word" |
                sed -n 's/^ \{4\}\([^# ].*\)$/\1/p')
            expand "${inner[@]}"
        else
            echo "$word"
        fi
    done
}

allowed=() denied=()
while read -r line; do
    # shellcheck disable=SC2206
    case $line in
    '~'*) denied+=(${line#'~'}) ;;
    *) allowed+=($line) ;;
    esac
done < <(sed -n 's/^SystemCallFilter=//p' packaging/relay.service)
expand "${denied[@]}" | sort -u >"$folder/denied"
expand @default "${allowed[@]}" | sort -u | comm -23 - "$folder/denied" >"$folder/allowed"
# execve is what the tracer itself does to start relay
echo execve >>"$folder/allowed"
sort -u -o "$folder/allowed" "$folder/allowed"

cat >"$folder/relay.toml" <<CONFIG
[server]
listen = "127.0.0.1:0"
[data]
dir = "$folder/data"
[guard]
allow = ["127.0.0.1/32"]
[log]
format = "text"
[[endpoint]]
uid = "closed"
url = "http://127.0.0.1:9999/"
[[endpoint]]
uid = "named"
url = "https://localhost:9999/"
CONFIG
strace -f -qq -o "$folder/trace" "$relay" serve --config "$folder/relay.toml" \
    >"$folder/relay.log" 2>&1 &
tracer=$!
address=$(listening "$folder/relay.log")
token=$(cat "$folder/data/operator_key")
for number in 1 2 3; do
    curl --silent --show-error --fail-with-body --max-time 60 --output /dev/null \
        -H "authorization: Bearer $token" -H "content-type: application/json" \
        --data "{\"eventType\":\"unit.traced\",\"payload\":{\"number\":$number}}" \
        "http://$address/api/v1/app/default/msg"
done
attempts=0
for _ in $(seq 100); do
    attempts=$(curl --silent --max-time 60 -H "authorization: Bearer $token" \
        "http://$address/api/v1/app/default/attempt/endpoint/named" | grep -c atmpt_ || true)
    [ "$attempts" -eq 0 ] || break
    sleep 0.1
done
if [ "$attempts" -eq 0 ]; then
    echo "no attempt was made" >&2 && cat "$folder/relay.log" >&2
    exit 1
fi
kill -TERM "$(cut -d ' ' -f 1 "/proc/$tracer/task/$tracer/children")"
wait "$tracer" || { echo "relay did not stop with exit code 0" >&2 && exit 1; }
tracer=

sed -n 's/^[0-9]* *\([a-z0-9_]*\)(.*/\1/p' "$folder/trace" | sort -u >"$folder/used"
if comm -23 "$folder/used" "$folder/allowed" | grep .; then
    echo "the calls above are not in the unit's SystemCallFilter" >&2
    exit 1
fi
if grep -E '(mmap|mprotect)\(.*PROT_WRITE\|PROT_EXEC' "$folder/trace"; then
    echo "the unit's MemoryDenyWriteExecute forbids the above" >&2
    exit 1
fi
families=$(sed -n 's/^[0-9]* *socket(\(AF_[A-Z0-9]*\),.*/\1/p' "$folder/trace" | sort -u)
for family in $families; do
    case $family in
    AF_INET | AF_INET6 | AF_UNIX) ;;
    # getaddrinfo asks for the machine's addresses and goes on without an answer
    AF_NETLINK) ;;
    *) echo "the unit does not allow sockets of $family" >&2 && exit 1 ;;
    esac
done
echo "$(wc -l <"$folder/used") different calls, all allowed; sockets:" "${families//$'\n'/ }"
