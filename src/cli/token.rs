//! `relay token`: the keys that callers of the API need, made here, or kept by a running relay.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64_URL;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::failure::{Exit, Failure};
use super::output;
use super::signed_request::read_input;
use super::{Common, Outcome, token_remote};
use crate::config::units::Span;
use crate::domain::secret::{Secret, write_operator_key};
use crate::domain::time::Timestamp;
use crate::domain::token::Role;

/// The organisation that a server of the Svix API issues its tokens for when it has only one.
const ORGANISATION: &str = "org_23rb8YdGqMT0qIzpgGwdXfHirMu";
/// The issuer that such a server writes.
const ISSUER: &str = "svix-server";

/// How long an HS256 token is good for when nothing is said.
const JWT_EXPIRES: Span = Span(Duration::from_secs(28 * 24 * 3_600));

/// What `relay token` takes.
#[derive(clap::Subcommand, Debug)]
pub enum TokenCommand {
    /// Make an operator key, or with --jwt a token; it is printed this once and kept nowhere
    Create(CreateArguments),
    /// List the operator keys of a running relay, without the keys themselves
    List(token_remote::RemoteArguments),
    /// Revoke an operator key of a running relay, at once
    Revoke(token_remote::RevokeArguments),
}

/// What `relay token create` takes.
#[derive(clap::Args, Debug)]
pub struct CreateArguments {
    /// Have a running relay make the key; it keeps a digest of it
    #[arg(long, conflicts_with = "jwt")]
    remote: bool,
    /// What the key is for
    #[arg(long, requires = "remote", value_name = "TEXT")]
    name: Option<String>,
    /// What the key opens: everything, or to look at everything but secrets
    #[arg(long, requires = "remote", value_name = "ROLE", default_value = "operator",
          value_parser = [Role::Operator.name(), Role::ReadOnly.name()])]
    role: String,
    #[command(flatten)]
    at: token_remote::RemoteArguments,
    /// Make an HS256 token signed with auth.jwt_secret
    #[arg(long)]
    jwt: bool,
    /// Sign it with this secret, not with auth.jwt_secret
    #[arg(long, requires = "jwt")]
    secret: Option<String>,
    /// Sign it with the secret in this file
    #[arg(long, requires = "jwt", value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
    /// Let it do everything in this application only
    #[arg(long, requires = "jwt", value_name = "ID")]
    app: Option<String>,
    /// The organisation it is for
    #[arg(long, requires = "jwt", value_name = "ID", default_value = ORGANISATION)]
    org: String,
    /// How long it is good for: with --jwt 28 days, with --remote until it is revoked, unless said
    #[arg(long, value_name = "DURATION")]
    expires: Option<Span>,
}

/// Makes what is asked for.
pub(super) fn run(command: &TokenCommand, common: &Common) -> Outcome {
    let arguments = match command {
        TokenCommand::Create(arguments) => arguments,
        TokenCommand::List(at) => return token_remote::list(at, common),
        TokenCommand::Revoke(arguments) => return token_remote::revoke(arguments, common),
    };
    let expires = arguments.expires;
    if expires.is_some_and(|expires| expires.0.is_zero()) {
        return Err(Failure::usage("--expires: it would be too old at once"));
    }
    if arguments.jwt {
        return create_jwt(arguments, expires.unwrap_or(JWT_EXPIRES), common);
    }
    if arguments.remote {
        let (name, role) = (arguments.name.as_deref(), arguments.role.as_str());
        return token_remote::create(&arguments.at, (name, role), expires, common);
    }
    if expires.is_some() {
        return Err(Failure::usage(
            "--expires is for --remote or --jwt: a key made here has no end",
        ));
    }
    let key = write_operator_key(&random()?);
    if common.json {
        output::json(&json!({ "operator_key": key }))?;
    } else {
        output::line(&key)?;
        anstream::eprintln!(
            "This is the only time it is shown. Give it to the relay as auth.operator_key, in a \
             file named by\nauth.operator_key_file (chmod 600), or as the systemd credential \
             operator_key."
        );
    }
    Ok(Exit::Success)
}

fn create_jwt(arguments: &CreateArguments, expires: Span, common: &Common) -> Outcome {
    let secret = jwt_secret(arguments, common)?;
    let now = wall_clock()?.seconds();
    let end = (wall_clock()? + expires.0).seconds();
    let mut claims = json!({
        "iat": now, "exp": end, "nbf": now, "iss": ISSUER, "sub": arguments.org,
    });
    if let Some(application) = &arguments.app {
        claims["org"] = json!(arguments.org);
        claims["sub"] = json!(application);
    }
    let token = write_jwt(&claims, secret.expose());
    if common.json {
        output::json(&json!({ "token": token, "claims": claims }))?;
    } else {
        output::line(&token)?;
        anstream::eprintln!("It is good for {expires}.");
    }
    Ok(Exit::Success)
}

fn jwt_secret(arguments: &CreateArguments, common: &Common) -> Result<Secret, Failure> {
    if let Some(secret) = &arguments.secret {
        return Ok(Secret::new(secret.as_bytes().to_vec()));
    }
    if let Some(path) = &arguments.secret_file {
        let bytes = read_input(path)?;
        return Ok(Secret::new(bytes.trim_ascii_end().to_vec()));
    }
    common.load(Vec::new())?.secrets.jwt_secret.ok_or_else(|| {
        Failure::failed(anyhow!("there is no secret to sign the token with"))
            .hint("set auth.jwt_secret, or give the secret with --secret-file or --secret")
    })
}

/// A JSON Web Token with HMAC-SHA256.
fn write_jwt(claims: &Value, secret: &[u8]) -> String {
    let head = BASE64_URL.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    signed(format!("{head}.{}", BASE64_URL.encode(claims.to_string())), secret)
}

fn signed(mut token: String, secret: &[u8]) -> String {
    let mut code = Hmac::<Sha256>::new_from_slice(secret).expect("invariant: any length is a key");
    code.update(token.as_bytes());
    let signature = BASE64_URL.encode(code.finalize().into_bytes());
    token.push('.');
    token.push_str(&signature);
    token
}

/// Bytes from the operating system's source of randomness.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .context("the system gives no random bytes")
        .map_err(Failure::failed)?;
    Ok(bytes)
}

/// The wall clock.
pub(super) fn wall_clock() -> Result<Timestamp, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.context("the clock stands before 1970").map_err(Failure::failed)?;
    Ok(Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token that the introductions to JWT show.
    #[test]
    fn a_known_token() {
        let head = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
        let body = BASE64_URL.encode(r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#);
        let token = signed(format!("{head}.{body}"), b"your-256-bit-secret");
        assert!(token.ends_with(".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"), "{token}");
        let claims = json!({ "sub": "org_1", "exp": 1 });
        let token = write_jwt(&claims, b"your-256-bit-secret");
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!((parts[0], parts.len()), (head, 3));
        let body = BASE64_URL.decode(parts[1]).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), claims);
    }
}
