#!/usr/bin/env bash
# The pictures of the docs, made anew from a running relay. No part of a whole run: by name alone.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
# shellcheck source=../suite.sh
. "$(dirname "${BASH_SOURCE[0]}")/../suite.sh"
# shellcheck source=../browser.sh
. "$(dirname "${BASH_SOURCE[0]}")/../browser.sh"

if browser pictures; then
    run "pictures" node .ci/browser/pictures.mjs
fi
exit "${failed:?}"
