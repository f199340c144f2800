# Shared by the steps that open pages: Chromium, and what drives it.
# shellcheck shell=bash

playwright=1.65.1
axe=4.14.1
# longer than a suite of another kind takes
export patience=900
settings='[server]
listen = "127.0.0.1:0"'
export settings
# what fails is tried to the end, so that there are dead letters: parked it would wait for probes
export RELAY__DELIVERY__PARK_AFTER=1000000

# A browser needs its libraries in their places: unpacking it beside would not do.
find_chromium() {
    type -P chromium && return 0
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        { timeout 300 apt-get -qq update && timeout 600 apt-get -qq install --yes \
            --no-install-recommends chromium; } >"$work/chromium.log" 2>&1 || true
    fi
    type -P chromium
}

# browser STEP: makes CHROMIUM and BROWSER_LIBRARIES, or says why STEP is skipped and fails
browser() {
    export CHROMIUM BROWSER_LIBRARIES=$work/browser
    mkdir -p "$BROWSER_LIBRARIES"
    if ! CHROMIUM=$(find_chromium); then
        skip "$1" "no chromium here and none to be had"
    elif ! debian node nodejs || ! debian npm npm; then
        skip "$1" "no node or no npm here and none to be had"
    elif ! timeout 300 npm install --silent --no-audit --no-fund --prefix "$BROWSER_LIBRARIES" \
        --cache "$work/clients/npm" "playwright-core@$playwright" "axe-core@$axe"; then
        skip "$1" "playwright-core or axe-core could not be installed"
    else
        return 0
    fi
    return 1
}
