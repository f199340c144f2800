//! `[portal]`: whose the portal is, how it looks, and which pages may show it in a frame.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::{Host, Url};

use super::Config;

/// The most characters of its name.
pub const NAME_MAX: usize = 60;
/// The largest logo, in bytes.
pub const LOGO_MAX: u64 = 64 << 10;
/// The most origins that may show it.
pub const ANCESTORS_MAX: usize = 50;
/// What text needs against its ground (WCAG 2.2, 1.4.3).
pub const CONTRAST_MIN: f64 = 4.5;
/// The grounds of the pages that coloured text is hardest to read on, light and dark.
pub const GROUNDS: [Color; 2] = [Color(0xf1, 0xf3, 0xf6), Color(0x19, 0x1d, 0x23)];

/// The portal of an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Portal {
    /// What stands at its top.
    pub name: String,
    /// A file with an SVG or PNG to stand before the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logo: Option<PathBuf>,
    /// Colour of links and buttons on light ground,
    pub accent: Color,
    /// and on dark ground.
    pub accent_dark: Color,
    /// Light, dark, or as the system of whoever looks has it.
    pub theme: Theme,
    /// The origins whose pages may show it in a frame.
    pub frame_ancestors: Vec<Origin>,
}

impl Default for Portal {
    fn default() -> Portal {
        Portal {
            name: "Webhooks".to_owned(),
            logo: None,
            accent: Color(0x24, 0x54, 0xc4),
            accent_dark: Color(0x8a, 0xb0, 0xff),
            theme: Theme::System,
            frame_ancestors: Vec::new(),
        }
    }
}

/// Light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system of whoever looks has it.
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// Red, green and blue, written `"#2454c4"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// How well the one is told from the other, 1 to 21 (WCAG 2.2, contrast ratio).
    pub fn contrast(self, other: Color) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn luminance(self) -> f64 {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

impl FromStr for Color {
    type Err = String;

    fn from_str(text: &str) -> Result<Color, String> {
        let wrong = || format!("`{text}` is not a colour, write it like \"#2454c4\"");
        let digits = text.strip_prefix('#').ok_or_else(wrong)?;
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let part = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong());
        Ok(Color(part(0)?, part(2)?, part(4)?))
    }
}

impl fmt::Display for Color {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// Scheme, host and port of a page, as browsers write it: `https://app.example`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Origin, String> {
        let wrong =
            |what: &str| format!("`{text}` {what}, write an origin like \"https://app.example\"");
        if text.contains('*') {
            return Err(wrong("is a pattern, and each host has to be named"));
        }
        let url = Url::parse(text).map_err(|_| wrong("is not an origin"))?;
        // In a policy these would begin another rule; no host on the web has them.
        let plain = |name: &str| {
            name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
        };
        let local = match url.host() {
            Some(Host::Domain(name)) if plain(name) => {
                name == "localhost" || name.ends_with(".localhost")
            }
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(_)) => return Err(wrong("has an IPv6 address, which no policy takes")),
            _ => return Err(wrong("names no host")),
        };
        match url.scheme() {
            "https" => {}
            "http" if local => {}
            "http" => return Err(wrong("is not https, and http is for localhost alone")),
            _ => return Err(wrong("is neither https nor http")),
        }
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare {
            return Err(wrong("holds more than scheme, host and port"));
        }
        Ok(Origin(url.origin().ascii_serialization()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

macro_rules! written_as_text {
    ($($type:ident),+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

written_as_text!(Color, Origin);

/// A picture that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    /// Its content type, which is one of two.
    pub kind: &'static str,
    /// The file, at most [`LOGO_MAX`] bytes.
    pub bytes: Vec<u8>,
}

impl Portal {
    /// The logo, if there is one. The error says what is wrong with the file.
    pub fn read_logo(&self) -> Result<Option<Logo>, String> {
        self.logo.as_deref().map(read_logo).transpose()
    }
}

fn read_logo(path: &Path) -> Result<Logo, String> {
    let shown = path.display();
    let read = || -> Result<Vec<u8>, std::io::Error> {
        let mut bytes = Vec::new();
        File::open(path)?.take(LOGO_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| format!("can't read {shown}: {error}"))?;
    if bytes.len() as u64 > LOGO_MAX {
        return Err(format!("{shown} is larger than {} KiB", LOGO_MAX >> 10));
    }
    let is_svg = || std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg"));
    let kind = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        "image/png"
    } else if is_svg() {
        "image/svg+xml"
    } else {
        return Err(format!("{shown} is neither a PNG nor an SVG"));
    };
    Ok(Logo { kind, bytes })
}

/// Problems as pairs of a setting's path and a message.
pub(super) fn check(config: &Config) -> Vec<(String, String)> {
    let portal = &config.portal;
    let mut found = Vec::new();
    let mut add = |setting: &str, message: String| found.push((setting.to_owned(), message));
    let length = portal.name.chars().count();
    if portal.name.trim().is_empty() || length > NAME_MAX {
        add("portal.name", format!("has {length} characters, 1 to {NAME_MAX} are right"));
    } else if portal.name.chars().any(char::is_control) {
        add("portal.name", "has a character that can't be shown".to_owned());
    }
    let colors =
        [("accent", portal.accent, "darker"), ("accent_dark", portal.accent_dark, "lighter")];
    for ((key, color, better), ground) in colors.into_iter().zip(GROUNDS) {
        let ratio = color.contrast(ground);
        if ratio < CONTRAST_MIN {
            let message = format!(
                "{color} on {ground} has a contrast of {ratio:.2}, and text needs {CONTRAST_MIN}: \
                 take a {better} one"
            );
            add(&format!("portal.{key}"), message);
        }
    }
    if let Err(message) = portal.read_logo() {
        add("portal.logo", message);
    }
    let count = portal.frame_ancestors.len();
    if count > ANCESTORS_MAX {
        let message = format!("has {count} items, {ANCESTORS_MAX} at most are right");
        add("portal.frame_ancestors", message);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let good = |text: &str, expected: &str| {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), expected);
        };
        good("https://app.example", "https://app.example");
        good("https://App.Example:443/", "https://app.example");
        good("https://app.example:8443", "https://app.example:8443");
        good("https://bücher.example", "https://xn--bcher-kva.example");
        good("https://192.0.2.7", "https://192.0.2.7");
        good("http://localhost:3000", "http://localhost:3000");
        good("http://app.localhost", "http://app.localhost");
        good("http://127.0.0.1:5173", "http://127.0.0.1:5173");
        let bad = |text: &str, part: &str| {
            let error = text.parse::<Origin>().unwrap_err();
            assert!(error.contains(part) && error.contains("https://app.example"), "{error}");
        };
        bad("app.example", "is not an origin");
        bad("", "is not an origin");
        bad("https://*.app.example", "is a pattern");
        bad("*", "is a pattern");
        bad("http://app.example", "http is for localhost alone");
        bad("http://192.0.2.7", "http is for localhost alone");
        bad("https://app.example/settings", "holds more than");
        bad("https://app.example?a=b", "holds more than");
        bad("https://app.example#a", "holds more than");
        bad("https://user@app.example", "holds more than");
        bad("https://[::1]:3000", "IPv6");
        bad("https://a;script-src", "names no host");
        bad("https://a' b", "is not an origin");
        bad("https://a,b", "names no host");
        bad("ftp://app.example", "neither https nor http");
        bad("data:text/html,x", "names no host");
    }

    #[test]
    fn colors() {
        let color: Color = "#2454C4".parse().unwrap();
        assert_eq!((color, color.to_string().as_str()), (Color(36, 84, 196), "#2454c4"));
        for text in ["2454c4", "#24c", "#2454cg", "#2454c4ff", "red", "#é12345", ""] {
            let error = text.parse::<Color>().unwrap_err();
            assert!(error.contains("write it like \"#2454c4\""), "{error}");
        }
        let (black, white) = (Color(0, 0, 0), Color(255, 255, 255));
        assert!((black.contrast(white) - 21.0).abs() < 1e-9);
        assert!((white.contrast(white) - 1.0).abs() < 1e-9);
        // Of the examples in WCAG's own understanding documents.
        assert!((Color(0x76, 0x76, 0x76).contrast(white) - 4.54).abs() < 0.005);
        assert!((Color(0x77, 0x77, 0x77).contrast(white) - 4.48).abs() < 0.005);
    }
}
