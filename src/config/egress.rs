//! `[egress]` and `[[proxy]]`: what requests leave through.

use serde::{Deserialize, Serialize};

use super::Config;
use super::units::Span;
use crate::domain::egress::proxy::{Bypass, ProxyUrl};
use crate::domain::egress::{DIRECT, PROXY_NAME_MAX};
use crate::domain::subscription::is_name;

/// Entries of `egress.no_proxy` at most.
const BYPASSES_MAX: usize = 1_000;
/// Proxies at most.
const PROXIES_MAX: usize = 1_000;

/// What requests leave through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// What every request goes through unless its endpoint chose otherwise; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxyUrl>,
    /// Hosts and networks that are reached without it.
    pub no_proxy: Vec<Bypass>,
    /// Who looks up the names of endpoints behind a proxy.
    pub resolve: Resolve,
    /// Whether an endpoint may choose to go through none.
    pub direct: bool,
    /// How long asking for an access token may take.
    pub token_timeout: Span,
}

/// Who looks up the names of endpoints behind a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resolve {
    /// The relay: its guard holds as without a proxy, and the proxy is given addresses.
    Relay,
    /// The proxy, which is given names: it has to guard what the relay can't look up.
    Proxy,
}

/// `[[proxy]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredProxy {
    /// By which an endpoint chooses it.
    pub name: String,
    /// Where it is.
    pub url: ProxyUrl,
    /// Whether a token of one application may choose it; else operators and `relay.toml` alone.
    #[serde(default)]
    pub tenants: bool,
}

impl Config {
    /// The proxy that an endpoint chose by name, and whether tokens of applications may.
    pub fn proxy_choice(&self, name: &str) -> Option<bool> {
        if name == DIRECT {
            return self.egress.direct.then_some(true);
        }
        self.proxies.iter().find(|proxy| proxy.name == name).map(|proxy| proxy.tenants)
    }
}

/// Problems as pairs of a setting's path and a message.
pub(super) fn check(config: &Config) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if config.egress.no_proxy.len() > BYPASSES_MAX {
        found.push(("egress.no_proxy".to_owned(), format!("more than {BYPASSES_MAX} entries")));
    }
    if config.proxies.len() > PROXIES_MAX {
        found.push(("proxy".to_owned(), format!("more than {PROXIES_MAX} proxies")));
    }
    for (index, proxy) in config.proxies.iter().enumerate() {
        let setting = format!("proxy[{index}].name");
        let name = &proxy.name;
        if !is_name(name, PROXY_NAME_MAX) || name == DIRECT {
            let rule = format!(
                "`{name}` is no name for a proxy: 1 to {PROXY_NAME_MAX} letters, digits, `-`, \
                 `_`, `.`, and not `{DIRECT}`"
            );
            found.push((setting, rule));
        } else if config.proxies[..index].iter().any(|other| other.name == *name) {
            found.push((setting, format!("a second proxy `{name}`")));
        }
    }
    found
}
