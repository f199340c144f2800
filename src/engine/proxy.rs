//! Which proxy a request leaves through, and what it is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::Config;
use crate::config::egress::Resolve;
use crate::domain::egress::DIRECT;
use crate::domain::egress::proxy::{Bypass, ProxyUrl};

/// How long the relay looks a name up itself that the proxy will look up anyway.
pub(super) const GLANCE: Duration = Duration::from_secs(1);

/// One proxy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proxy {
    /// Where it is and how it is spoken to.
    pub url: ProxyUrl,
    /// Who looks up the names of endpoints behind it.
    pub resolve: Resolve,
}

/// The proxies that the operator set up.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Proxies {
    usual: Option<Arc<Proxy>>,
    named: BTreeMap<String, Arc<Proxy>>,
    no_proxy: Vec<Bypass>,
    direct: bool,
}

/// An endpoint names a proxy that is not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no [[proxy]] has the name `{0}`")]
pub struct NoSuchProxy(String);

impl Proxies {
    /// `[egress]` and `[[proxy]]`.
    pub fn new(config: &Config) -> Proxies {
        let egress = &config.egress;
        let proxy = |url: &ProxyUrl| Arc::new(Proxy { url: url.clone(), resolve: egress.resolve });
        Proxies {
            usual: egress.proxy.as_ref().map(proxy),
            named: config.proxies.iter().map(|one| (one.name.clone(), proxy(&one.url))).collect(),
            no_proxy: egress.no_proxy.clone(),
            direct: egress.direct,
        }
    }

    /// The proxy to a URL for an endpoint that chose one, or none: `None` connects directly.
    pub(super) fn choose(
        &self,
        choice: Option<&str>,
        url: &str,
    ) -> Result<Option<&Arc<Proxy>>, NoSuchProxy> {
        match choice {
            Some(DIRECT) if self.direct => Ok(None),
            // A choice that is not allowed any more is as none.
            None | Some(DIRECT) => Ok(self.usual.as_ref().filter(|_| !self.bypassed(url))),
            Some(name) => {
                self.named.get(name).map(Some).ok_or_else(|| NoSuchProxy(name.to_owned()))
            }
        }
    }

    fn bypassed(&self, url: &str) -> bool {
        let url = Url::parse(url).ok();
        let host = url.as_ref().and_then(Url::host_str);
        host.is_some_and(|host| self.no_proxy.iter().any(|entry| entry.covers(host)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_where() {
        let config: Config = toml::from_str(
            "[egress]\nproxy = 'http://usual:1'\nno_proxy = ['own.example', '10.0.0.0/8']\n\
             [[proxy]]\nname = 'eu'\nurl = 'socks5://eu'\n",
        )
        .unwrap();
        let check = |proxies: &Proxies, choice: Option<&str>, url: &str, expected: Option<&str>| {
            let chosen = proxies.choose(choice, url);
            let shown = chosen.map(|found| found.map(|proxy| proxy.url.to_string()));
            assert_eq!(shown, Ok(expected.map(str::to_owned)), "{choice:?} {url}");
        };
        let proxies = Proxies::new(&config);
        let usual = Some("http://usual:1");
        check(&proxies, None, "https://h.example/", usual);
        check(&proxies, None, "https://a.own.example/", None);
        check(&proxies, None, "http://10.1.1.1:8080/", None);
        check(&proxies, Some("direct"), "https://h.example/", None);
        check(&proxies, Some("eu"), "https://own.example/", Some("socks5://eu:1080"));
        assert!(proxies.choose(Some("us"), "https://h.example/").is_err());
        let mut forbidden = config;
        forbidden.egress.direct = false;
        let proxies = Proxies::new(&forbidden);
        check(&proxies, Some("direct"), "https://h.example/", usual);
        check(&proxies, Some("direct"), "https://own.example/", None);
        check(&Proxies::new(&Config::default()), None, "https://h.example/", None);
    }
}
