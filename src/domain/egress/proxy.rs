//! Proxies that requests leave through: where they are, and what goes past them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

use super::Credential;

/// Bytes of a user name or password at most: SOCKS counts them in one byte (RFC 1929).
const USER_MAX: usize = 255;
/// The port of a SOCKS proxy whose URL names none.
const SOCKS_PORT: u16 = 1_080;

/// How a proxy is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyKind {
    /// `CONNECT` (RFC 9110 section 9.3.6).
    Http,
    /// The same inside TLS.
    Https,
    /// SOCKS version 5 (RFC 1928).
    Socks5,
}

/// `http://user:password@host:port`, `https://…` or `socks5://…`; printing hides the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyUrl {
    /// How it is spoken to.
    pub kind: ProxyKind,
    /// Its name or address; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password.
    pub user: Option<(String, Credential)>,
}

impl FromStr for ProxyUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<ProxyUrl, String> {
        let form = "must be http://host:port, https://host:port or socks5://host:port, with \
                    user:password@ before the host where it asks for one";
        let url = Url::parse(text).map_err(|error| format!("{form} ({error})"))?;
        let (kind, usual) = match url.scheme() {
            "http" => (ProxyKind::Http, 80),
            "https" => (ProxyKind::Https, 443),
            "socks5" => (ProxyKind::Socks5, SOCKS_PORT),
            _ => return Err(form.to_owned()),
        };
        let bare = matches!(url.path(), "" | "/");
        if !bare || url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{form}, and nothing behind it"));
        }
        let host = match url.host().ok_or(form)? {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        if host.is_empty() {
            return Err(form.to_owned());
        }
        let port = url.port().unwrap_or(usual);
        if port == 0 {
            return Err(format!("{form}; port 0 is no port"));
        }
        Ok(ProxyUrl { kind, host, port, user: user(&url, kind)? })
    }
}

fn user(url: &Url, kind: ProxyKind) -> Result<Option<(String, Credential)>, String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |what: &str, text: &str, least: usize| {
        let text = percent_decode_str(text).decode_utf8();
        let text = text.map_err(|_| format!("its {what} is not UTF-8"))?.into_owned();
        let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if printable && (least..=USER_MAX).contains(&text.len()) {
            return Ok(text);
        }
        Err(format!("its {what} must have {least} to {USER_MAX} printable ASCII characters"))
    };
    let name = decode("user name", url.username(), 1)?;
    if name.contains(':') {
        return Err("its user name must not hold a colon".to_owned());
    }
    let least = usize::from(kind == ProxyKind::Socks5);
    let password = decode("password", url.password().unwrap_or_default(), least)?;
    Ok(Some((name, Credential::new(password))))
}

/// Without user name and password.
impl fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            ProxyKind::Socks5 => "socks5",
        };
        let user = if self.user.is_some() { "(hidden)@" } else { "" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(formatter, "{scheme}://{user}{open}{}{close}:{}", self.host, self.port)
    }
}

impl Serialize for ProxyUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProxyUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ProxyUrl, D::Error> {
        // The error of the library would quote what was given.
        let text = String::deserialize(deserializer)
            .map_err(|_| serde::de::Error::custom("the URL of a proxy is text in quotes"))?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hosts that are reached without a proxy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bypass {
    /// A host and every one below it.
    Domain(String),
    /// Addresses, where the URL names one.
    Network(IpNet),
}

impl FromStr for Bypass {
    type Err = String;

    fn from_str(text: &str) -> Result<Bypass, String> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Bypass::Network(network));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Bypass::Network(address.into()));
        }
        let name = text.strip_prefix("*.").or(text.strip_prefix('.')).unwrap_or(text);
        let parsed = Url::parse(&format!("http://{name}/")).ok();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        match parsed.as_ref().and_then(Url::host) {
            Some(Host::Domain(domain)) if plain => Ok(Bypass::Domain(domain.to_owned())),
            _ => {
                Err(format!("`{text}` is neither a host (example.com) nor a network (10.0.0.0/8)"))
            }
        }
    }
}

impl Bypass {
    /// Whether a host, as a URL has it, is meant.
    pub fn covers(&self, host: &str) -> bool {
        match self {
            Bypass::Domain(domain) => {
                let host = host.strip_suffix('.').unwrap_or(host);
                let Some(above) = host.len().checked_sub(domain.len()) else { return false };
                let same =
                    host.is_char_boundary(above) && host[above..].eq_ignore_ascii_case(domain);
                same && (above == 0 || host[..above].ends_with('.'))
            }
            Bypass::Network(network) => {
                let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
                let address = bare.unwrap_or(host).parse::<IpAddr>();
                address.is_ok_and(|address| network.contains(&address.to_canonical()))
            }
        }
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bypass::Domain(domain) => formatter.write_str(domain),
            Bypass::Network(network) => write!(formatter, "{network}"),
        }
    }
}

impl Serialize for Bypass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bypass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bypass, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |text: &str, shown: Option<&str>| {
            let read = text.parse::<ProxyUrl>();
            let printed = read.as_ref().ok().map(ToString::to_string);
            assert_eq!(printed.as_deref(), shown, "{text}: {read:?}");
        };
        check("http://proxy.example:3128", Some("http://proxy.example:3128"));
        check("http://proxy.example", Some("http://proxy.example:80"));
        check("https://proxy.example/", Some("https://proxy.example:443"));
        check("socks5://10.0.0.1", Some("socks5://10.0.0.1:1080"));
        check("socks5://[::1]:9050", Some("socks5://[::1]:9050"));
        check("http://anna:p%40ss@10.0.0.1:3128", Some("http://(hidden)@10.0.0.1:3128"));
        for wrong in ["", "proxy:3128", "ftp://h", "socks4://h", "http://h/path", "http://h?a"] {
            check(wrong, None);
        }
        let long = format!("http://a:{}@h", "x".repeat(256));
        for wrong in ["socks5://a@h", "http://:p@h", "http://a%3Ab:p@h", "http://a:%0d@h", &long] {
            check(wrong, None);
        }
        let user = "http://an%6Ea:p%40ss@h".parse::<ProxyUrl>().unwrap().user.unwrap();
        assert_eq!((user.0.as_str(), user.1.expose()), ("anna", "p@ss"));
    }

    #[test]
    fn what_goes_past() {
        let check = |entry: &str, host: &str, expected: bool| {
            let entry: Bypass = entry.parse().expect(entry);
            assert_eq!(entry.covers(host), expected, "{entry} {host}");
        };
        for entry in ["example.com", ".example.com", "*.example.com", "Example.COM"] {
            check(entry, "example.com", true);
            check(entry, "a.b.example.com", true);
            check(entry, "EXAMPLE.com.", true);
            check(entry, "notexample.com", false);
            check(entry, "example.com.evil.net", false);
        }
        check("10.0.0.0/8", "10.1.2.3", true);
        check("10.0.0.0/8", "11.1.2.3", false);
        check("10.0.0.0/8", "[::ffff:10.1.2.3]", true);
        check("10.0.0.0/8", "ten.example", false);
        check("::1", "[::1]", true);
        for wrong in ["", "a b", "http://x", "10.0.0.0/33", "é.example", "x/y", "1.2.3"] {
            assert!(wrong.parse::<Bypass>().is_err(), "{wrong}");
        }
    }
}
