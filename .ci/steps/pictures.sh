#!/usr/bin/env bash
# The pictures of the README, made anew from a running relay. No part of a whole run: by name alone.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=../suite.sh
. "$(dirname "${BASH_SOURCE[0]}")/../suite.sh"

playwright=1.65.1
axe=4.14.1

patience=900
settings='[server]
listen = "127.0.0.1:0"'

# A browser needs its libraries in their places: unpacking it beside would not do.
chromium() {
    command -v chromium && return 0
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        { timeout 300 apt-get -qq update && timeout 600 apt-get -qq install --yes \
            --no-install-recommends chromium; } >"$work/chromium.log" 2>&1 || true
    fi
    command -v chromium
}

export BROWSER_LIBRARIES=$work/browser
mkdir -p "$BROWSER_LIBRARIES"
if ! CHROMIUM=$(chromium); then
    skip pictures "no chromium here and none to be had"
elif ! debian node nodejs || ! debian npm npm; then
    skip pictures "no node or no npm here and none to be had"
elif ! timeout 300 npm install --silent --no-audit --no-fund --prefix "$BROWSER_LIBRARIES" \
    --cache "$work/clients/npm" "playwright-core@$playwright" "axe-core@$axe"; then
    skip pictures "playwright-core or axe-core could not be installed"
else
    export CHROMIUM
    run "pictures" node .ci/browser/pictures.mjs
fi
exit "$failed"
