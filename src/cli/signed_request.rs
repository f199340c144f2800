//! What `sign` and `verify` read: bodies, secrets, and requests as they went over the wire.

use std::env;
use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::failure::Failure;

/// The most that is read of a file or stdin, in bytes.
const INPUT_MAX: u64 = 256 << 20;

/// A request: its headers in order, and its body's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SignedRequest {
    /// Names and values as they came.
    pub headers: Vec<(String, String)>,
    /// The bytes that were signed, if nothing has touched them.
    pub body: Vec<u8>,
}

/// Where a secret is given.
#[derive(clap::Args, Debug)]
pub struct SecretArguments {
    /// The secret: whsec_… or whsk_… (to verify also whpk_…); else that of $RELAY_SECRET
    #[arg(long, conflicts_with = "secret_file")]
    secret: Option<String>,
    /// A file that holds it; nobody else sees it there, unlike in the list of processes
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl SecretArguments {
    /// The secret's text, without spaces and line ends around it.
    pub fn read(&self) -> Result<String, Failure> {
        if let Some(path) = &self.secret_file {
            return read_secret(path);
        }
        // Read here and not by the parser: a flag stands over it instead of being in conflict.
        let secret = self.secret.clone().or_else(|| env::var("RELAY_SECRET").ok());
        secret.map(|secret| secret.trim().to_owned()).ok_or_else(|| {
            Failure::usage("no secret is given")
                .hint("name it with --secret-file, --secret or RELAY_SECRET")
        })
    }
}

/// The text of a file, of stdin for `-`, without spaces and line ends around it.
fn read_secret(path: &Path) -> Result<String, Failure> {
    let wrong = |_| Failure::failed(anyhow!("{} holds no text", path.display()));
    let text = String::from_utf8(read_input(path)?).map_err(wrong)?;
    Ok(text.trim().to_owned())
}

/// Where the secret that a provider signs with is given.
#[derive(clap::Args, Debug)]
pub struct ProviderSecretArguments {
    /// What the provider signs with; - reads it from stdin
    #[arg(long, value_name = "TEXT", conflicts_with = "secret_file")]
    secret: Option<String>,
    /// A file that holds it; nobody else sees it there, unlike in the list of processes
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

impl ProviderSecretArguments {
    /// The secret's text when it is given, without spaces and line ends around it.
    pub fn read(&self) -> Result<Option<String>, Failure> {
        let text = match (&self.secret, &self.secret_file) {
            (None, None) => return Ok(None),
            (_, Some(path)) => read_secret(path)?,
            (Some(text), None) if text == "-" => read_secret(Path::new("-"))?,
            (Some(text), None) => text.trim().to_owned(),
        };
        if text.is_empty() {
            return Err(Failure::usage("the secret is empty: anybody could sign with it"));
        }
        Ok(Some(text))
    }
}

impl SignedRequest {
    /// The header of this lower-case name, spaces around it left out.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// Reads a request as a capture shows it: perhaps a request line, headers, an empty line, and
    /// the body's bytes to the end.
    pub fn parse(raw: &[u8]) -> Result<SignedRequest, Failure> {
        let wrong = |what: &str| Failure::usage(format!("this is no HTTP request: {what}"));
        let mut headers = Vec::new();
        let mut rest = raw;
        let mut first = true;
        loop {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let end = end.ok_or_else(|| wrong("no empty line ends its headers"))?;
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() && !first {
                return Ok(SignedRequest { headers, body: rest.to_vec() });
            }
            let line = std::str::from_utf8(line).map_err(|_| wrong("a header is not text"))?;
            let is_request_line = first && line.contains(" HTTP/");
            first = false;
            if !is_request_line {
                headers.push(parse_header(line).ok_or_else(|| {
                    wrong(&format!("`{}` is no header", line.chars().take(60).collect::<String>()))
                })?);
            }
        }
    }
}

/// Reads `name: value`.
pub fn parse_header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    let fits = !name.is_empty() && !name.contains(char::is_whitespace);
    fits.then(|| (name.to_owned(), value.trim().to_owned()))
}

/// The bytes of a file, of stdin for `-`.
pub fn read_input(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let shown = path.display();
    let size = if path == Path::new("-") {
        if io::stdin().is_terminal() {
            anstream::eprintln!("reading from the terminal, end with Ctrl-D");
        }
        io::stdin().lock().take(INPUT_MAX + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(INPUT_MAX + 1).read_to_end(&mut bytes))
    };
    let size = size.with_context(|| format!("can't read {shown}")).map_err(Failure::failed)?;
    if size as u64 > INPUT_MAX {
        return Err(Failure::failed(anyhow!("{shown} is larger than {INPUT_MAX} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_as_captures_show_them() {
        let check = |raw: &str, headers: &[(&str, &str)], body: &str| {
            let request = SignedRequest::parse(raw.as_bytes()).unwrap();
            let found: Vec<_> =
                request.headers.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            assert_eq!(found, headers, "{raw:?}");
            assert_eq!(request.body, body.as_bytes(), "{raw:?}");
        };
        let headers = [("Webhook-Id", "msg_1"), ("x", "a: b")];
        check("POST /w HTTP/1.1\r\nWebhook-Id: msg_1\r\nx:a: b\r\n\r\n{}\r\n", &headers, "{}\r\n");
        check("Webhook-Id: msg_1\nx: a: b\n\n{}\n", &headers, "{}\n");
        check("a: b\n\n", &[("a", "b")], "");
        for wrong in ["", "a: b", "a: b\n", "{}\n\n", "a b: c\n\n", "\n\n"] {
            assert!(SignedRequest::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let headers = vec![("Webhook-ID".to_owned(), " msg_1 ".to_owned())];
        let request = SignedRequest { headers, body: Vec::new() };
        assert_eq!(request.header("webhook-id"), Some("msg_1"));
        assert_eq!(request.header("webhook-signature"), None);
    }
}
