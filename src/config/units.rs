//! How durations, sizes and networks are written in `relay.toml` and in variables.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::fmt::friendly::{Designator, Spacing, SpanParser, SpanPrinter};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::address::is_public;

/// A duration of whole milliseconds, written `"15s"`, `"5m"`, `"1h 30m"`, `"90d"`; a day has 24
/// hours, a week 7 days, and units without a fixed length (months, years) are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A number of bytes, written `"16 KiB"`, `"8 GiB"`, or a plain number; KiB, MiB, GiB and TiB are
/// powers of 1024, kB, MB, GB and TB of 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A network, with a port when only that one is meant: `10.1.0.0/16`, `127.0.0.1/32:3000`,
/// `[::1]/128:80`. A single address may stand without its prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedNetwork {
    /// Every address in it.
    pub network: IpNet,
    /// This port alone; every port when `None`.
    pub port: Option<u16>,
}

/// Reads an address with a port.
pub(super) fn listen<'de, D: Deserializer<'de>>(reader: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(reader)?;
    text.trim().parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "`{text}` is not an address with a port, write it like \"127.0.0.1:8080\""
        ))
    })
}

/// The longest duration that is read: nothing here waits for longer.
const SPAN_MAX: Duration = Duration::from_secs(36_500 * 86_400);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let wrong =
            || format!("`{text}` is not a duration, write it like \"15s\", \"1h 30m\", \"90d\"");
        let span = SpanParser::new().parse_span(text.trim()).map_err(|_| wrong())?;
        if span.get_years() != 0 || span.get_months() != 0 {
            return Err(format!("`{text}`: months and years differ in length, write days"));
        }
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        let duration = span.to_duration(days).map_err(|_| wrong())?;
        let duration = Duration::try_from(duration)
            .map_err(|_| format!("`{text}` is negative, a duration is not"))?;
        if duration > SPAN_MAX {
            return Err(format!("`{text}` is longer than {}", Span(SPAN_MAX)));
        }
        if !duration.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(format!("`{text}` is finer than a millisecond"));
        }
        Ok(Span(duration))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only code can make a longer one, and it is shown as what it is at least.
        let shown = self.0.min(SPAN_MAX);
        let seconds = i64::try_from(shown.as_secs()).map_err(|_| fmt::Error)?;
        let span = jiff::Span::new()
            .days(seconds / 86_400)
            .hours(seconds / 3_600 % 24)
            .minutes(seconds / 60 % 60)
            .seconds(seconds % 60)
            .milliseconds(i64::from(shown.subsec_millis()));
        let printer =
            SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::BetweenUnits);
        formatter.write_str(&printer.span_to_string(&span))
    }
}

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let trimmed = text.trim();
        let end = trimmed.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(trimmed.len());
        let (digits, unit) = trimmed.split_at(end);
        let unit = unit.trim_start();
        let factor = if unit.is_empty() {
            Some(1)
        } else {
            SIZE_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
        };
        let number = digits.parse::<u64>().ok();
        match number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor)) {
            Some(bytes) => Ok(Size(bytes)),
            None => Err(format!(
                "`{text}` is not a size, write it like \"16 KiB\", \"8 GiB\" or 1048576"
            )),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SIZE_UNITS[..4]
            .iter()
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor));
        match binary {
            Some((name, factor)) => write!(formatter, "{} {name}", self.0 / factor),
            None => write!(formatter, "{} B", self.0),
        }
    }
}

/// Whether deliveries may reach an address: a public one, or one that `guard.allow` opens.
pub fn is_open(allow: &[AllowedNetwork], address: SocketAddr) -> bool {
    is_public(address.ip()) || allow.iter().any(|allowed| allowed.opens(address))
}

impl AllowedNetwork {
    /// Whether it opens an address; an IPv4 address written as an IPv6 one is taken as what it is.
    fn opens(&self, address: SocketAddr) -> bool {
        self.port.is_none_or(|port| port == address.port())
            && self.network.contains(&address.ip().to_canonical())
    }
}

impl FromStr for AllowedNetwork {
    type Err = String;

    fn from_str(text: &str) -> Result<AllowedNetwork, String> {
        let wrong = || {
            format!(
                "`{text}` is not a network, write it like \"10.1.0.0/16\", \"127.0.0.1/32:3000\" \
                 or \"[::1]/128:80\""
            )
        };
        // [v6], [v6]/n, [v6]:port, [v6]/n:port, then the same of v4 without brackets, then v6/n.
        let (address, rest) = if let Some(inner) = text.strip_prefix('[') {
            let (address, rest) = inner.split_once(']').ok_or_else(wrong)?;
            (address, rest)
        } else if text.matches(':').count() > 1 {
            text.split_at(text.find('/').unwrap_or(text.len()))
        } else {
            text.split_at(text.find(['/', ':']).unwrap_or(text.len()))
        };
        let (prefix, port) = match rest.split_once(':') {
            Some((prefix, port)) => (prefix, Some(port)),
            None => (rest, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let full = if address.is_ipv4() { 32 } else { 128 };
        let length = match prefix.strip_prefix('/') {
            Some(length) => length.parse().map_err(|_| wrong())?,
            None if prefix.is_empty() => full,
            None => return Err(wrong()),
        };
        let network = IpNet::new(address, length).map_err(|_| wrong())?;
        if network.trunc() != network {
            let right = network.trunc();
            return Err(format!(
                "`{text}` has bits beyond its prefix, write {right} for all of it"
            ));
        }
        let port = port.map(str::parse::<u16>).transpose().map_err(|_| wrong())?;
        if port == Some(0) {
            return Err(format!("`{text}`: port 0 is no port, leave it out for every port"));
        }
        Ok(AllowedNetwork { network, port })
    }
}

impl fmt::Display for AllowedNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, self.port) {
            (network, None) => write!(formatter, "{network}"),
            (IpNet::V4(network), Some(port)) => write!(formatter, "{network}:{port}"),
            (IpNet::V6(network), Some(port)) => {
                write!(formatter, "[{}]/{}:{port}", network.addr(), network.prefix_len())
            }
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a size like \"16 KiB\", \"8 GiB\" or 1048576")]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(bytes) => Ok(Size(bytes)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl Serialize for AllowedNetwork {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AllowedNetwork {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AllowedNetwork, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_both_ways() {
        let check = |text: &str, millis: u64, printed: &str| {
            let span: Span = text.parse().expect(text);
            assert_eq!(span.0, Duration::from_millis(millis), "{text}");
            assert_eq!(span.to_string(), printed, "{text}");
            assert_eq!(printed.parse(), Ok(span), "{printed}");
        };
        check("15s", 15_000, "15s");
        check("1h 30m", 5_400_000, "1h 30m");
        check("90m", 5_400_000, "1h 30m");
        check("90d", 90 * 86_400_000, "90d");
        check("1w", 7 * 86_400_000, "7d");
        check("250ms", 250, "250ms");
        check("1.5h", 5_400_000, "1h 30m");
        check("0s", 0, "0s");
        check("2 days", 2 * 86_400_000, "2d");
    }

    #[test]
    fn what_is_no_span() {
        for (text, part) in [
            ("", "not a duration"),
            ("15", "not a duration"),
            ("-5s", "negative"),
            ("5s ago", "negative"),
            ("1mo", "months"),
            ("1 year", "months"),
            ("10us", "millisecond"),
            ("999999999999d", "not a duration"),
            ("36501d", "longer than 36500d"),
            ("7304484d 175307616h", "longer than 36500d"),
        ] {
            let error = text.parse::<Span>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_both_ways() {
        let check = |text: &str, expected: Option<u64>, printed: &str| {
            let size = text.parse::<Size>().ok();
            assert_eq!(size, expected.map(Size), "{text}");
            assert_eq!(size.map(|size| size.to_string()).unwrap_or_default(), printed, "{text}");
        };
        check("16 KiB", Some(16_384), "16 KiB");
        check("8GiB", Some(8 << 30), "8 GiB");
        check("1024 MiB", Some(1 << 30), "1 GiB");
        check("1 MB", Some(1_000_000), "1000000 B");
        check("1500", Some(1_500), "1500 B");
        check("0", Some(0), "0 B");
        for wrong in ["", "MiB", "1 mib", "1.5 MiB", "-1", "1 MiB x", "99999999 TiB", "16 KB"] {
            check(wrong, None, "");
        }
    }

    #[test]
    fn networks_both_ways() {
        let check = |text: &str, printed: Option<&str>| {
            let read = text.parse::<AllowedNetwork>();
            let shown = read.as_ref().ok().map(ToString::to_string);
            assert_eq!(shown.as_deref(), printed, "{text}: {read:?}");
        };
        check("10.0.0.0/8", Some("10.0.0.0/8"));
        check("127.0.0.1/32:3000", Some("127.0.0.1/32:3000"));
        check("127.0.0.1:3000", Some("127.0.0.1/32:3000"));
        check("10.1.2.3", Some("10.1.2.3/32"));
        check("[::1]/128:80", Some("[::1]/128:80"));
        check("[::1]:80", Some("[::1]/128:80"));
        check("[fd00::]/8", Some("fd00::/8"));
        check("fd00::/8", Some("fd00::/8"));
        check("::1", Some("::1/128"));
        for wrong in ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/8:0", "10.0.0.0/8:99999", "a/8"] {
            check(wrong, None);
        }
        for wrong in ["[::1", "[::1]x", "fd00::1/8", "10.0.0.0/8:", "/8", "[]/8"] {
            check(wrong, None);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(
            millis in 0..36_500 * 86_400_000_u64,
            bytes: u64,
            address: IpAddr,
            length in 0..=128_u8,
            port: Option<std::num::NonZeroU16>,
        ) {
            let span = Span(Duration::from_millis(millis));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
            let length = if address.is_ipv4() { length.min(32) } else { length };
            let network = IpNet::new(address, length).unwrap().trunc();
            let allowed = AllowedNetwork { network, port: port.map(u16::from) };
            prop_assert_eq!(allowed.to_string().parse(), Ok(allowed));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9a-z:/\\[\\]. µ]{0,24}") {
            let _ = (text.parse::<Span>(), text.parse::<Size>(), text.parse::<AllowedNetwork>());
        }
    }
}
