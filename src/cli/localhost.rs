//! `localhost` without a question to anybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Asks the system for addresses; `localhost` is the loopback address (RFC 6761 section 6.3), also
/// on a machine that has no entry for it: first that of IPv4, then that of IPv6.
#[derive(Debug, Default)]
pub(super) struct LocalResolver {
    system: DefaultResolver,
}

impl Resolver for LocalResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(local) = local(uri) else { return self.system.resolve(uri, config, timeout) };
        let mut addresses = self.empty();
        local.into_iter().for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

/// The addresses of a URI on this machine, in the order in which they are tried.
fn local(uri: &Uri) -> Option<[SocketAddr; 2]> {
    let port = uri.host().filter(|host| is_local(host)).and_then(|_| port(uri))?;
    let ips = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    Some(ips.map(|ip| SocketAddr::new(ip, port)))
}

fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for local in ["localhost", "LocalHost", "localhost.", "app.localhost"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["localhost.example", "notlocalhost", "127.0.0.1", ""] {
            assert!(!is_local(other), "{other}");
        }
    }

    #[test]
    fn both_addresses_are_tried() {
        let check = |uri: &'static str, expected: &[&str]| {
            let found = local(&Uri::from_static(uri));
            let found: Vec<String> = found.iter().flatten().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{uri}");
        };
        check("http://localhost:3000/hooks", &["127.0.0.1:3000", "[::1]:3000"]);
        check("http://localhost/", &["127.0.0.1:80", "[::1]:80"]);
        check("https://app.localhost/", &["127.0.0.1:443", "[::1]:443"]);
        check("http://dev.example:3000/", &[]);
    }
}
