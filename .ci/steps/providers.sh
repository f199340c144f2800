#!/usr/bin/env bash
# Providers' own libraries, as their registries give them, prove a live relay from both sides: what
# they sign is taken in and passed on, what was passed on they verify, what they did not sign is
# refused. What was proven with what goes into docs/providers.md.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck source=../suite.sh
. "$(dirname "${BASH_SOURCE[0]}")/../suite.sh"

languages=2
settings='[server]
listen = "127.0.0.1:0"
public_url = "https://hooks.example.com"'

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
