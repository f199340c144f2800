//! Keys and certificates that a provider publishes: fetched by the caller, from hosts that the row
//! names, and handed in.

use rustls::RootCertStore;
use serde::Deserialize;
use url::{Host, Url};

use super::reason::Reason;
use super::row::Provider;

/// Bytes of a URL that is called.
const URL_MAX: usize = 2_048;

/// Characters of a URL that is refused which a reason shows.
const SHOWN: usize = 200;

/// Where a provider's keys are, and whose they must be.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FetchRow {
    /// Hosts that may be asked, over https and its own port. A label `*` stands for one label of
    /// lower-case letters, digits and hyphens.
    pub hosts: Vec<String>,
    /// What the path must end in: `.pem`.
    pub suffix: String,
    /// The place of the URL: `header.paypal-cert-url`. Of eBay the URL itself, with `{kid}` in it.
    pub url: String,
    /// Where an access token for the fetch comes from, with the source's secret as client id,
    /// colon, client secret; empty where none is needed.
    pub token_url: String,
    /// What the token is asked for.
    pub scope: String,
    /// Names, one of which a certificate must be for. A label `*` is the one that the URL's host
    /// has there.
    pub names: Vec<String>,
    /// Whether a certificate must be signed by an authority that the web trusts. Without, it counts
    /// that it came from one of the hosts.
    pub chain: bool,
}

/// What was fetched, and what is trusted. Empty for providers whose keys are handed out as secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fetched<'a> {
    /// URLs as [`Reason::KeyWanted`] named them, and what they answered with.
    pub documents: &'a [(&'a str, &'a str)],
    /// Authorities that certificates may come from; those that the web trusts when unset.
    pub roots: Option<&'a RootCertStore>,
}

impl<'a> Fetched<'a> {
    /// What this URL answered with.
    pub(super) fn get(&self, url: &str) -> Option<&'a str> {
        self.documents.iter().find(|(held, _)| *held == url).map(|(_, text)| *text)
    }
}

impl Provider {
    /// A URL out of a request, when it is one that the row allows to be called.
    pub(super) fn fetchable(&self, text: &str) -> Result<String, Reason> {
        let refused = || {
            let plain = text.chars().filter(|letter| !letter.is_control());
            Reason::KeyUrl { url: plain.take(SHOWN).collect() }
        };
        if text.len() > URL_MAX {
            return Err(refused());
        }
        let url = Url::parse(text).map_err(|_| refused())?;
        let Some(Host::Domain(host)) = url.host() else { return Err(refused()) };
        let plain = url.scheme() == "https"
            && url.port().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none();
        let allowed = self.fetch.hosts.iter().any(|pattern| fits(pattern, host));
        if plain && allowed { Ok(url.into()) } else { Err(refused()) }
    }

    /// The document of a URL out of a request, and that URL.
    pub(super) fn document<'a>(
        &self,
        fetched: &Fetched<'a>,
        text: &str,
    ) -> Result<(String, &'a str), Reason> {
        let url = self.fetchable(text)?;
        // With a query one document would have any number of names.
        if url.contains('?') || !url.ends_with(self.fetch.suffix.as_str()) {
            return Err(Reason::KeyUrl { url: url.chars().take(SHOWN).collect() });
        }
        match fetched.get(&url) {
            Some(text) => Ok((url, text)),
            None => Err(Reason::KeyWanted { url }),
        }
    }
}

fn fits(pattern: &str, host: &str) -> bool {
    let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let (patterns, labels) = (pattern.split('.'), host.split('.'));
    patterns.clone().count() == labels.clone().count()
        && patterns.zip(labels).all(|(pattern, given)| match pattern {
            "*" => !given.is_empty() && given.bytes().all(label),
            pattern => pattern == given,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let mut provider = crate::domain::provider::find("stripe").unwrap().clone();
        let check = |provider: &Provider, url: &str, expected: bool| {
            assert_eq!(provider.fetchable(url).is_ok(), expected, "{url}");
        };
        check(&provider, "https://sns.eu-west-1.amazonaws.com/a.pem", false);
        provider.fetch.hosts = vec!["sns.*.amazonaws.com".to_owned()];
        check(&provider, "https://sns.eu-west-1.amazonaws.com/a.pem", true);
        check(&provider, "https://sns.eu-west-1.amazonaws.com:443/a.pem", true);
        for wrong in [
            "http://sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com:444/a.pem",
            "https://sns.eu-west-1.amazonaws.com./a.pem",
            "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
            "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
            "https://a@sns.eu-west-1.amazonaws.com/a.pem",
            "https://evil.example?.sns.eu.amazonaws.com/a.pem",
            "https://evil.example\\.sns.eu.amazonaws.com/a.pem",
            "https://sns.a.b.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://sns.a_b.amazonaws.com/a.pem",
            "https://bucket.s3.amazonaws.com/a.pem",
            "https://sns.eu-west-1.amazonaws.com/a.pem#1",
            "https://127.0.0.1/a.pem",
            "https://[::1]/a.pem",
            "file:///etc/passwd",
            &format!("https://sns.eu-west-1.amazonaws.com/{}", "a".repeat(2_048)),
            "a",
            "",
        ] {
            check(&provider, wrong, false);
        }
    }
}
