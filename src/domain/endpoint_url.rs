//! What may stand in an endpoint's `url`: parsed once, here, and stored as it was understood.
//!
//! Two programs that read one URL differently are how requests reach places nobody checked. So
//! whatever parsers disagree on is refused, and the normalised text is what is stored, resolved and
//! sent to. Whether its addresses may be reached is the address guard's business.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use thiserror::Error;
use url::{Host, Url};

/// Longest URL taken, in bytes, before and after normalising.
pub const MAX_URL_BYTES: usize = 2_048;
const MAX_LABEL_BYTES: usize = 63;
const MAX_HOST_BYTES: usize = 253;

/// Ports of databases, caches and control planes, none of which answers a webhook.
const DENIED_PORTS: [u16; 33] = [
    1_433, 1_521, 2_049, 2_181, 2_375, 2_376, 2_379, 2_380, 3_306, 3_389, 4_369, 5_432, 5_671,
    5_672, 5_900, 5_984, 5_985, 5_986, 6_379, 6_443, 6_667, 7_000, 8_500, 9_042, 9_092, 9_200,
    9_300, 10_250, 10_255, 11_211, 15_672, 26_379, 28_017,
];
const DENIED_PORT_RANGES: [RangeInclusive<u16>; 2] = [5_060..=5_061, 27_017..=27_019];

/// Why a URL is not taken, and what would be.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum UrlError {
    /// More than [`MAX_URL_BYTES`].
    #[error("the URL is longer than {MAX_URL_BYTES} bytes: use a shorter one")]
    TooLong,
    /// No `http://` or `https://` in front.
    #[error("the URL must begin with https:// or http://")]
    Scheme,
    /// A space, a control character or a backslash.
    #[error("the URL holds {0}: remove it, or write it percent-encoded")]
    Character(&'static str),
    /// `user:password@`.
    #[error(
        "the URL holds a user name or password that can't be read in one way only: remove it and \
         give an authorization header among the headers"
    )]
    UserInfo,
    /// `#…`.
    #[error("the URL holds a fragment, which is never sent: remove everything from the # on")]
    Fragment,
    /// Nothing between the slashes.
    #[error("the URL has no host: write https://host/path")]
    NoHost,
    /// A `%` in the host, as in zone ids.
    #[error("the host holds a %: write it without percent-encoding or zone id")]
    EncodedHost,
    /// `127.1`, `0x7f.1`, `2130706433` and their like.
    #[error(
        "the host ends in a number: write an IPv4 address as four decimal \
         numbers without leading zeros, 192.0.2.1, or use a host name"
    )]
    NumericHost,
    /// Empty or over-long labels, or characters no host name has.
    #[error(
        "{0:?} is not a host name: labels of 1 to 63 letters, digits, hyphens or \
         underscores, separated by single dots, 253 bytes at most"
    )]
    HostName(String),
    /// Port 0, one below 1024 other than 80 and 443, or one on the denied list.
    #[error("port {0} is not allowed: use 80, 443 or a port from 1024 on that no database owns")]
    Port(u16),
    /// Whatever else the parser refuses.
    #[error("the URL cannot be read: {0}")]
    Unreadable(String),
}

/// Reads an endpoint's URL; its serialised form is what is stored and sent to.
pub fn parse_endpoint_url(text: &str) -> Result<Url, UrlError> {
    if text.len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong);
    }
    for character in text.chars() {
        match character {
            '\\' => return Err(UrlError::Character("a backslash")),
            ' ' => return Err(UrlError::Character("a space")),
            other if other.is_control() => {
                return Err(UrlError::Character("a control character"));
            }
            other if other.is_whitespace() => {
                return Err(UrlError::Character("a space that is not plain"));
            }
            _ => {}
        }
    }
    let authority = authority(text).ok_or(UrlError::Scheme)?;
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    if authority.contains('%') {
        return Err(UrlError::EncodedHost);
    }
    let host = host_text(authority);
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    check_number(host)?;
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::IdnaError | url::ParseError::InvalidDomainCharacter => {
            UrlError::HostName(host.to_owned())
        }
        url::ParseError::InvalidIpv4Address => UrlError::NumericHost,
        other => UrlError::Unreadable(other.to_string()),
    })?;
    check_parsed(&url, host)?;
    Ok(url)
}

/// Takes `user:password@` out of a URL; it comes back as the value of an `Authorization` header
/// (RFC 7617). The rest is for [`parse_endpoint_url`].
pub fn split_user_info(text: &str) -> Result<(Cow<'_, str>, Option<String>), UrlError> {
    if text.len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong);
    }
    let Some(authority) = authority(text) else { return Ok((text.into(), None)) };
    let Some((user_info, _)) = authority.split_once('@') else { return Ok((text.into(), None)) };
    // What is unusual there is read in more than one way: `parse_endpoint_url` refuses it.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%".contains(&byte);
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(user_info).collect();
    let printable = decoded.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    if user_info.is_empty() || !user_info.bytes().all(plain) || !printable {
        return Err(UrlError::UserInfo);
    }
    let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    let decode = |part| percent_encoding::percent_decode_str(part).collect::<Vec<u8>>();
    let (user, password) = (decode(user), decode(password));
    if user.contains(&b':') || (user.is_empty() && password.is_empty()) {
        return Err(UrlError::UserInfo);
    }
    let credentials = BASE64.encode([user, password].join(&b':'));
    let bare = text.replacen(&format!("{user_info}@"), "", 1);
    Ok((bare.into(), Some(format!("Basic {credentials}"))))
}

/// What stands between the scheme's slashes and the path.
fn authority(text: &str) -> Option<&str> {
    let rest = ["https://", "http://"].into_iter().find_map(|scheme| {
        let head = text.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
    })?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some(&rest[..end])
}

/// The authority without its port.
fn host_text(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.find(']').map_or(authority, |end| &authority[..=end]);
    }
    authority.split(':').next().unwrap_or(authority)
}

/// System resolvers read `127.1`, `0177.1` and `2130706433` as addresses, so a host that ends in a
/// number must be exactly what the address prints as.
fn check_number(host: &str) -> Result<(), UrlError> {
    let dotless = host.strip_suffix('.').unwrap_or(host);
    let last = dotless.rsplit('.').next().unwrap_or(dotless);
    let number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let hex = last.get(..2).is_some_and(|head| head.eq_ignore_ascii_case("0x"));
    if (number || hex) && host.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(UrlError::NumericHost);
    }
    Ok(())
}

fn check_parsed(url: &Url, written: &str) -> Result<(), UrlError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::UserInfo);
    }
    match url.host() {
        None => return Err(UrlError::NoHost),
        Some(Host::Domain(name)) => check_name(name)?,
        // Digits of other scripts and full-width dots become an address only here.
        Some(Host::Ipv4(address)) if address.to_string() != written => {
            return Err(UrlError::NumericHost);
        }
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => {}
    }
    let port = url.port_or_known_default().unwrap_or(0);
    let open = matches!(port, 80 | 443 | 1_024..);
    let denied = DENIED_PORTS.contains(&port)
        || DENIED_PORT_RANGES.iter().any(|range| range.contains(&port));
    if !open || denied {
        return Err(UrlError::Port(port));
    }
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong);
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), UrlError> {
    let label_fits = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if name.len() > MAX_HOST_BYTES || !name.split('.').all(label_fits) {
        return Err(UrlError::HostName(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_and_normalised() {
        let check = |text: &str, stored: &str| {
            let url = parse_endpoint_url(text).map(|url| url.to_string());
            assert_eq!(url.as_deref(), Ok(stored), "{text}");
        };
        check("https://example.com", "https://example.com/");
        check("HTTPS://Example.COM:443/Hook?a=1&b=%20", "https://example.com/Hook?a=1&b=%20");
        check("http://example.com:80/", "http://example.com/");
        check("http://example.com:8080/a/../b", "http://example.com:8080/b");
        check("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4");
        check("http://127.0.0.1:3000/", "http://127.0.0.1:3000/");
        check("http://[::1]:3000/x", "http://[::1]:3000/x");
        check("http://[::ffff:10.0.0.1]/", "http://[::ffff:a00:1]/");
        check("http://receiver:3000/", "http://receiver:3000/");
        check("http://my_service.internal/", "http://my_service.internal/");
        check("https://example.com/a@b?c=d@e", "https://example.com/a@b?c=d@e");
        check("https://3com.example/", "https://3com.example/");
        check("https://example.com/%2e%2e/x", "https://example.com/x");
        check("https://example.com?x=`", "https://example.com/?x=`");
    }

    #[test]
    fn refused_with_words() {
        let check = |text: &str, expected: UrlError| {
            assert_eq!(parse_endpoint_url(text), Err(expected), "{text}");
        };
        let over_long = format!("https://example.com/{}", "a".repeat(MAX_URL_BYTES));
        check(&over_long, UrlError::TooLong);
        let grows = format!("https://example.com/{}", "ä".repeat(1_000));
        check(&grows, UrlError::TooLong);
        for text in [
            "",
            "example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "http:example.com",
            "http:/example.com",
            "//example.com",
            "javascript:alert(1)",
            "unix:/run/x",
        ] {
            check(text, UrlError::Scheme);
        }
        check("https://example.com\\@10.0.0.1/", UrlError::Character("a backslash"));
        check("https:\\\\example.com", UrlError::Character("a backslash"));
        check("https://example.com/a b", UrlError::Character("a space"));
        check(" https://example.com/", UrlError::Character("a space"));
        check("https://example.com/\u{a0}", UrlError::Character("a space that is not plain"));
        for text in [
            "https://exa\tmple.com/",
            "https://example.com/\r\nHost: x",
            "https://example.com/\0",
            "https://example.com/\u{7f}",
            "https://example.com/\u{85}",
        ] {
            check(text, UrlError::Character("a control character"));
        }
        for text in [
            "https://user@example.com/",
            "https://user:pass@example.com/",
            "https://@example.com/",
            "https://:@example.com/",
            "http://example.com:80@10.0.0.1/",
        ] {
            check(text, UrlError::UserInfo);
        }
    }

    #[test]
    fn user_and_password_become_a_header() {
        let check = |text: &str, bare: &str, value: Option<&str>| {
            let split = split_user_info(text).map(|(bare, value)| (bare.into_owned(), value));
            assert_eq!(split, Ok((bare.to_owned(), value.map(str::to_owned))), "{text}");
        };
        check("https://example.com/a@b", "https://example.com/a@b", None);
        // RFC 7617 section 2.
        let aladdin = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        check("https://Aladdin:open%20sesame@h.example/x", "https://h.example/x", aladdin);
        check("http://user@h.example", "http://h.example", Some("Basic dXNlcjo="));
        check(
            "http://example.com:80@10.0.0.1/",
            "http://10.0.0.1/",
            Some("Basic ZXhhbXBsZS5jb206ODA="),
        );
        for text in [
            "https://@h.example/",
            "https://:@h.example/",
            "https://a%3Ab:c@h.example/",
            "https://a%0d%0ab:c@h.example/",
            "https://ä:c@h.example/",
        ] {
            assert_eq!(split_user_info(text), Err(UrlError::UserInfo), "{text}");
        }
        let long = format!("https://{}@h.example/", "a".repeat(MAX_URL_BYTES));
        assert_eq!(split_user_info(&long), Err(UrlError::TooLong), "with what is taken out");
        // What is left is refused where it holds another.
        let (bare, _) = split_user_info("https://a@b@h.example/").unwrap();
        assert_eq!(parse_endpoint_url(&bare), Err(UrlError::UserInfo));
    }

    #[test]
    fn parts_that_are_refused() {
        let check = |text: &str, expected: UrlError| {
            assert_eq!(parse_endpoint_url(text), Err(expected), "{text}");
        };
        check("https://example.com/#", UrlError::Fragment);
        check("https://example.com/a#b@c", UrlError::Fragment);
        for text in ["https://", "https:///path", "https://:443/", "http://?x"] {
            check(text, UrlError::NoHost);
        }
        check("http://%31%32%37.0.0.1/", UrlError::EncodedHost);
        check("http://[fe80::1%25eth0]/", UrlError::EncodedHost);
        for text in [
            "http://127.1/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://2130706433/",
            "http://169.254.43518/",
            "http://0/",
            "http://0x/",
            "http://127.0.0.1./",
            "http://1.2.3.4.5/",
            "http://256.1.1.1/",
            "http://example.123/",
            "http://example.0x7f/",
            "http://127.0.0.01/",
            "http://①②⑦.0.0.①/",
            "http://127。0。0。1/",
        ] {
            check(text, UrlError::NumericHost);
        }
    }

    #[test]
    fn names_and_ports() {
        for name in [
            "a..example",
            "example.com.",
            ".example.com",
            "-a.example",
            "a-.example",
            "a!b.example",
            "a'b.example",
            "a,b.example",
        ] {
            let error = parse_endpoint_url(&format!("http://{name}/")).unwrap_err();
            assert!(matches!(error, UrlError::HostName(_)), "{name}: {error:?}");
        }
        let long_label = format!("http://{}.example/", "a".repeat(64));
        assert!(matches!(parse_endpoint_url(&long_label), Err(UrlError::HostName(_))));
        let long_name = format!("http://{}example/", "aaaaaaaaa.".repeat(25));
        assert!(matches!(parse_endpoint_url(&long_name), Err(UrlError::HostName(_))));
        for text in ["http://[::1/", "http://[1]/", "http://a:99999/", "http://a:b/", "http://[]/"]
        {
            assert!(matches!(parse_endpoint_url(text), Err(UrlError::Unreadable(_))), "{text}");
        }
        for port in [0, 1, 22, 25, 53, 81, 444, 1_023, 2_375, 3_306, 5_432, 6_379, 9_200, 27_018] {
            let error = parse_endpoint_url(&format!("http://a:{port}/")).unwrap_err();
            assert_eq!(error, UrlError::Port(port), "{port}");
        }
        for port in [80, 443, 1_024, 3_000, 8_080, 8_443, 9_000, 49_152, 65_535] {
            assert!(parse_endpoint_url(&format!("http://a:{port}/")).is_ok(), "{port}");
        }
    }
}
