#!/usr/bin/env bash
# Every page of the dashboard and the portal in headless Chromium, against a live relay with real
# receivers: what stands there, what people do, no error on the console, no request to another host,
# no serious fault that axe-core finds.
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
    skip browser "no chromium here and none to be had"
elif ! debian node nodejs || ! debian npm npm; then
    skip browser "no node or no npm here and none to be had"
elif ! timeout 300 npm install --silent --no-audit --no-fund --prefix "$BROWSER_LIBRARIES" \
    --cache "$work/clients/npm" "playwright-core@$playwright" "axe-core@$axe"; then
    skip browser "playwright-core or axe-core could not be installed"
else
    export CHROMIUM
    run "every page and what people do" node .ci/browser/main.mjs
fi
exit "$failed"
