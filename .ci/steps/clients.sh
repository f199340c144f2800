#!/usr/bin/env bash
# The Svix client libraries, as their registries give them, drive a live relay through every
# operation that they have a method for. What became of each goes into docs/compatibility.md.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=../suite.sh
. "$(dirname "${BASH_SOURCE[0]}")/../suite.sh"

# both generations of the API's conventions: 1.x does not ask for content, 2.x does
python_versions=(1.99.1 2.9.1)
# 2.x for Node asks for Node 22 and runs with 20
node_versions=(1.99.1 2.5.0)
# the version of the library for Rust stands in .ci/clients/rust/Cargo.toml
libraries=5
standard_python=1.1.0
standard_node=1.1.1
cryptography_version=50.0.2

settings='[server]
listen = "127.0.0.1:0"
[intake]
max_body = "2 MiB"
[retention]
max_age = "30d"'

# built while the others run
rust=$work/clients/rust
built=
if timeout 300 cargo fetch --quiet --locked --manifest-path .ci/clients/rust/Cargo.toml; then
    timeout 900 cargo build --quiet --locked --manifest-path .ci/clients/rust/Cargo.toml \
        --target-dir "$rust" &
    built=$!
    processes+=("$built")
else
    skip "clients: rust" "its crates are not to be had"
fi

for version in "${python_versions[@]}"; do
    python=$work/clients/python-$version
    if ! debian python3 python3; then
        skip "clients: python" "no python3 here and none to be had"
    elif ! { [ -x "$python/bin/pip" ] || python3 -m venv "$python"; } ||
        ! timeout 300 "$python/bin/pip" install --quiet --disable-pip-version-check \
            "svix==$version" "standardwebhooks==$standard_python" \
            "cryptography==$cryptography_version"; then
        skip "clients: python" "no venv, or svix $version could not be installed"
    else
        run "svix $version for Python" "$python/bin/python" .ci/clients/python/main.py
    fi
done

for version in "${node_versions[@]}"; do
    export CLIENTS=$work/clients/node-$version
    mkdir -p "$CLIENTS"
    if ! debian node nodejs || ! debian npm npm; then
        skip "clients: node" "no node or no npm here and none to be had"
    elif ! timeout 300 npm install --silent --no-audit --no-fund --prefix "$CLIENTS" \
        --cache "$work/clients/npm" "svix@$version" "standardwebhooks@$standard_node"; then
        skip "clients: node" "svix $version could not be installed"
    else
        run "svix $version for Node" node .ci/clients/node/main.mjs
    fi
done

if [ -n "$built" ]; then
    wait "$built"
    run "svix for Rust" "$rust/debug/clients"
fi

[ ${#results[@]} -eq 0 ] || python3 .ci/clients/table.py "$libraries" "${results[@]}"
exit "$failed"
