#!/usr/bin/env bash
# What is in the binary: one TLS, one crypto provider, known licences and sources, no open advisory.
# shellcheck source=../lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

if cargo tree --locked --target all -i aws-lc-sys 2>/dev/null | grep .; then
    echo "aws-lc-sys is in the tree: two crypto providers make rustls panic at run time" >&2
    exit 1
fi
versions=$(cargo tree --locked --target all --prefix none |
    sed -n 's/^rustls \(v[^ ]*\).*/\1/p' | sort -u)
if [ "$(wc -l <<<"$versions")" -ne 1 ] || [ -z "$versions" ]; then
    echo "exactly one rustls belongs in the tree, found:" "$versions" >&2
    exit 1
fi
echo "one rustls ($versions), no aws-lc-sys"

version=0.20.2
tools=$work/tools
if [ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
    if ! cargo install --quiet --locked --root "$tools" --version "$version" cargo-deny; then
        skip cargo-deny "version $version could not be installed"
        exit 0
    fi
fi
"$tools/bin/cargo-deny" --locked check bans licenses sources

# advisories need a database that not every network gives
database=https://github.com/RustSec/advisory-db
if ! timeout 30 git ls-remote --quiet "$database" HEAD >/dev/null 2>&1; then
    skip "cargo-deny advisories" "$database cannot be reached"
    exit 0
fi
sed "s|^\[advisories\]|&\ndb-path = \"$work/advisories\"|" deny.toml >"$work/deny.toml"
"$tools/bin/cargo-deny" --locked check --config "$work/deny.toml" advisories
