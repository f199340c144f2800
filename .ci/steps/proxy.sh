#!/usr/bin/env bash
# Runs packaging/nginx.conf and packaging/Caddyfile as docs/proxy.md installs them, but for ports
# and certificate: TLS works, a client cannot forge where it comes from, relay answers through them.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

debian curl curl || { skip proxy "no curl" && exit 0; }
debian openssl openssl || { skip proxy "no openssl" && exit 0; }
debian python3 python3 || { skip proxy "no python3 for the backend that shows headers" && exit 0; }

relay=${RELAY_BINARY:-$root/target/release/relay}
name=relay.example.com
folder=$(mktemp -d)
started=()
stop() {
    [ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null || true
    # a relay that still writes and the next one must not meet in one folder
    wait
    started=()
}
trap 'stop; rm -rf "$folder"' EXIT

fail() {
    echo "proxy: $1" >&2
    tail -n 30 "$folder"/*.log >&2
    exit 1
}

# two free ports next to each other, below those that the kernel gives away: the first of them
free_ports() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        accepts "$port" || accepts $((port + 1)) || { echo "$port" && return 0; }
    done
    return 1
}

accepts() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# wait_for PORT: until something accepts there (30 s at most)
wait_for() {
    local tries
    for tries in $(seq 300); do
        if accepts "$1"; then return 0; fi
        sleep 0.1
    done
    fail "nothing accepts on port $1 after $tries tries"
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$name" \
    -addext "subjectAltName=DNS:$name" -keyout "$folder/key.pem" -out "$folder/certificate.pem" \
    2>/dev/null

# start_nginx BACKEND HTTP HTTPS: the guide's file inside the smallest nginx.conf that takes it
start_nginx() {
    mkdir -p "$folder/nginx"
    sed -e "s|127.0.0.1:8080|$1|" -e "s|listen 80;|listen 127.0.0.1:$2;|" \
        -e "s|listen 443 |listen 127.0.0.1:$3 |" \
        -e "s|/etc/letsencrypt/.*/fullchain.pem|$folder/certificate.pem|" \
        -e "s|/etc/letsencrypt/.*/privkey.pem|$folder/key.pem|" \
        packaging/nginx.conf >"$folder/nginx/relay.conf"
    cat >"$folder/nginx/nginx.conf" <<CONFIG
daemon off;
user $(id -un) $(id -gn);
pid $folder/nginx/pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path $folder/nginx/body;
    proxy_temp_path $folder/nginx/proxy;
    fastcgi_temp_path $folder/nginx/fastcgi;
    uwsgi_temp_path $folder/nginx/uwsgi;
    scgi_temp_path $folder/nginx/scgi;
    include $folder/nginx/relay.conf;
}
CONFIG
    nginx -e stderr -p "$folder/nginx" -c "$folder/nginx/nginx.conf" >>"$folder/nginx.log" 2>&1 &
    started+=($!)
}

# start_caddy BACKEND HTTP HTTPS
start_caddy() {
    {
        printf '{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n'
        printf '\thttp_port %s\n}\n' "$2"
        sed -e "s|127.0.0.1:8080|$1|" \
            -e "s|^$name {|https://$name:$3 {\n\ttls $folder/certificate.pem $folder/key.pem|" \
            packaging/Caddyfile
    } >"$folder/Caddyfile"
    XDG_DATA_HOME=$folder XDG_CONFIG_HOME=$folder HOME=$folder \
        caddy run --adapter caddyfile --config "$folder/Caddyfile" >>"$folder/caddy.log" 2>&1 &
    started+=($!)
}

# through PORT PATH [CURL OPTION...]: the body, then the status; 18 is a body that broke off
through() {
    local port=$1 path=$2
    shift 2
    curl --silent --show-error --max-time 20 --cacert "$folder/certificate.pem" \
        --resolve "$name:$port:127.0.0.1" --write-out '\n%{http_code}' "$@" \
        "https://$name:$port$path" 2>>"$folder/curl.log" || [ $? -eq 18 ] ||
        fail "curl $path: see curl.log"
}

# expect WHAT PATTERN TEXT
expect() {
    # shellcheck disable=SC2053
    [[ $3 == $2 ]] || fail "$1: expected $2, got: $3"
    echo "  $proxy: $1"
}

cat >"$folder/backend.py" <<'PYTHON'
import http.server
import json


class Shows(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that a proxy sets."""

    def do_GET(self):
        names = ("x-forwarded-for", "x-forwarded-proto")
        body = json.dumps([self.headers.get_all(name) for name in names]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shows)
print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
PYTHON

show_headers() {
    python3 "$folder/backend.py" >"$folder/backend.log" 2>&1 &
    started+=($!)
    local backend http https
    backend=$(listening "$folder/backend.log") http=$(free_ports) https=$((http + 1))
    "start_$proxy" "$backend" "$http" "$https"
    wait_for "$https"
    expect "what a client says of itself is dropped" '\[\["127.0.0.1"\], \["https"\]\]?200' \
        "$(through "$https" /healthz -H 'X-Forwarded-For: 203.0.113.7' \
            -H 'X-Forwarded-Proto: http')"
    expect "/metrics stays inside" '*404' "$(through "$https" /metrics)"
    if [ "$proxy" = nginx ]; then
        expect "plain HTTP is sent to TLS" "308" "$(curl --silent --output /dev/null \
            --max-time 20 --write-out '%{http_code}' "http://127.0.0.1:$http/healthz")"
    fi
    stop
}

reach_relay() {
    rm -rf "$folder/data"
    cat >"$folder/relay.toml" <<CONFIG
[server]
listen = "127.0.0.1:0"
public_url = "https://$name"
trusted_proxies = ["127.0.0.1/32"]
[data]
dir = "$folder/data"
[log]
format = "text"
[[application]]
uid = "default"
CONFIG
    "$relay" serve --config "$folder/relay.toml" >"$folder/relay.log" 2>&1 &
    started+=($!)
    local backend http https token message
    backend=$(listening "$folder/relay.log") http=$(free_ports) https=$((http + 1))
    "start_$proxy" "$backend" "$http" "$https"
    wait_for "$https"
    token=$(cat "$folder/data/operator_key")
    message=(-H "authorization: Bearer $token" -H "content-type: application/json")
    expect "relay is healthy behind it" '*20[04]' "$(through "$https" /healthz)"
    expect "a message is accepted" '*"id":"msg_*202' "$(through "$https" /api/v1/app/default/msg \
        "${message[@]}" --data '{"eventType":"invoice.paid","payload":{"invoice":1042}}')"
    head -c 1500000 /dev/zero | tr '\0' ' ' >"$folder/large"
    # The body is still being sent when relay answers. nginx reads all of it before it passes it on;
    # Caddy passes it on as it comes, and drops the text of an answer that comes before its end.
    local whole='*{*payload_too_large*413' refused='*413'
    local large=("${message[@]}" --limit-rate 600K --data-binary "@$folder/large")
    [ "$proxy" = caddy ] || refused=$whole
    expect "relay itself refuses a large body" "$refused" \
        "$(through "$https" /api/v1/app/default/msg "${large[@]}")"
    expect "one in chunks too" "$refused" \
        "$(through "$https" /api/v1/app/default/msg "${large[@]}" -H 'transfer-encoding: chunked')"
    expect "and without the proxy" "$whole" "$(curl --silent --max-time 20 \
        --write-out '\n%{http_code}' "${large[@]}" "http://$backend/api/v1/app/default/msg")"

    # relay makes guessing keys slow for each address: so it shows whom it believes to be there
    local tries
    for tries in $(seq 30); do
        through "$https" /api/v1/app --interface 127.0.0.2 -H 'authorization: Bearer wrong' \
            -H "X-Forwarded-For: 203.0.113.$tries" >"$folder/guess"
    done
    expect "a guesser is slowed, whatever address it claims" '*429' "$(cat "$folder/guess")"
    expect "its neighbour behind the same proxy is not" '*401' \
        "$(through "$https" /api/v1/app -H 'authorization: Bearer wrong')"
    stop
}

for proxy in nginx caddy; do
    if ! debian "$proxy" "$proxy"; then
        skip "proxy: $proxy" "not on this machine and not to be had as a Debian package"
        continue
    fi
    show_headers
    reach_relay
done
