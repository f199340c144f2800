#!/usr/bin/env bash
# Every page of the dashboard and the portal in headless Chromium, against a live relay with real
# receivers: what stands there, what people do, no error on the console, no request to another host,
# no serious fault that axe-core finds.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=../suite.sh
. "$(dirname "${BASH_SOURCE[0]}")/../suite.sh"
# shellcheck source=../browser.sh
. "$(dirname "${BASH_SOURCE[0]}")/../browser.sh"

if browser browser; then
    run "every page and what people do" node .ci/browser/main.mjs
fi
exit "${failed:?}"
