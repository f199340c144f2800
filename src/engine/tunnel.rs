//! A connection through a proxy: `CONNECT` (RFC 9110 section 9.3.6) or SOCKS 5 (RFC 1928, 1929).
//!
//! ureq's own connectors resolve the proxy as they do any host, which the guard would refuse, and
//! name one address only. Here the guard judges where the request goes and the operator's word is
//! enough for the proxy.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use rustls::ClientConfig;
use thiserror::Error;
use ureq::unversioned::resolver::ResolvedSocketAddrs;
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, TcpConnector, Transport, TransportAdapter,
};

use crate::config::egress::Resolve;
use crate::domain::egress::proxy::ProxyKind;
use crate::engine::answer::detail;
use crate::engine::connection::{LinkError, ended_by_peer};
use crate::engine::proxy::Proxy;
use crate::engine::resolver::{GuardedResolver, ResolveError};
use crate::engine::tls::{TlsTransport, remaining};

/// Bytes of a proxy's answer at most.
const HEAD_MAX: usize = 8 << 10;
/// Addresses of one host that a proxy is asked for, one after the other.
const TARGETS_MAX: usize = 4;

/// Why a proxy made no connection; for the operator's log, not for tenants.
#[derive(Debug, Error)]
pub enum ProxyError {
    /// Its own name could not be looked up.
    #[error("its name: {0}")]
    Name(ResolveError),
    /// It could not be reached, or its TLS failed, or it broke off.
    #[error("{}", detail(.0))]
    Link(ureq::Error),
    /// It wants other credentials.
    #[error("it refuses the user name and password that it is given, or asks for some")]
    Credentials,
    /// It does not connect there.
    #[error("it made no connection to {target}: it answered {answer}")]
    Refused {
        /// What it was asked for.
        target: String,
        /// A status, or a reply code in words.
        answer: String,
    },
    /// It ended the connection instead of an answer.
    #[error("it closed the connection before it had answered: does it speak what its URL says?")]
    Closed,
    /// It speaks something else.
    #[error("what it answered is not what such a proxy answers")]
    Garbled,
}

impl ProxyError {
    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        match self {
            ProxyError::Link(ureq::Error::Timeout(_)) => true,
            ProxyError::Link(ureq::Error::Other(inner)) => matches!(
                inner.downcast_ref::<LinkError>(),
                Some(LinkError::Connect(ureq::Error::Timeout(_)))
            ),
            _ => false,
        }
    }
}

impl From<io::Error> for ProxyError {
    fn from(error: io::Error) -> ProxyError {
        if ended_by_peer(&error) || error.kind() == io::ErrorKind::UnexpectedEof {
            return ProxyError::Closed;
        }
        ProxyError::Link(error.into())
    }
}

/// Where a proxy is asked to connect to.
enum Target<'a> {
    /// What the guard let through.
    Address(SocketAddr),
    /// What the proxy looks up.
    Name(&'a str, u16),
}

impl std::fmt::Display for Target<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Address(address) => write!(formatter, "{address}"),
            Target::Name(name, port) => write!(formatter, "{name}:{port}"),
        }
    }
}

/// A connection to the target of `details` through a proxy, ready for its TLS or its request.
pub(super) fn open(
    proxy: &Proxy,
    resolver: &GuardedResolver,
    tls: &Arc<ClientConfig>,
    details: &ConnectionDetails<'_>,
) -> Result<Box<dyn Transport>, ProxyError> {
    let mut last = ProxyError::Garbled;
    for target in targets(proxy, details) {
        let socket = dial(proxy, resolver, tls, details)?;
        let mut stream = TransportAdapter::new(socket, details.current_time.clone());
        stream.set_timeout(remaining(details));
        let asked = match proxy.url.kind {
            ProxyKind::Http | ProxyKind::Https => connect(&mut stream, proxy, &target),
            ProxyKind::Socks5 => socks(&mut stream, proxy, &target),
        };
        match asked {
            Ok(()) => return Ok(stream.into_inner()),
            Err(refused @ ProxyError::Refused { .. }) => last = refused,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// What the proxy is asked for: the addresses that were checked, or the name where it is the one
/// that looks it up. An address that the URL names is one either way.
fn targets<'a>(proxy: &Proxy, details: &'a ConnectionDetails<'a>) -> Vec<Target<'a>> {
    let host = details.uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if proxy.resolve == Resolve::Proxy && bare.parse::<IpAddr>().is_err() {
        let usual = if details.needs_tls() { 443 } else { 80 };
        return vec![Target::Name(bare, details.uri.port_u16().unwrap_or(usual))];
    }
    let checked = details.addrs.iter().take(TARGETS_MAX);
    checked.map(|address| Target::Address(*address)).collect()
}

/// A connection to the proxy itself.
fn dial(
    proxy: &Proxy,
    resolver: &GuardedResolver,
    tls: &Arc<ClientConfig>,
    details: &ConnectionDetails<'_>,
) -> Result<Box<dyn Transport>, ProxyError> {
    let url = &proxy.url;
    let patience = *remaining(details).after;
    let found = resolver.of_operator(&url.host, url.port, patience).map_err(ProxyError::Name)?;
    let mut addrs: ResolvedSocketAddrs = details.resolver.empty();
    found.into_iter().for_each(|address| addrs.push(address));
    let own = ConnectionDetails {
        uri: details.uri,
        addrs,
        config: details.config,
        request_level: details.request_level,
        resolver: details.resolver,
        now: (details.current_time)(),
        timeout: remaining(details),
        current_time: details.current_time.clone(),
        run_connector: details.run_connector.clone(),
        register_shutdown: details.register_shutdown.clone(),
    };
    let socket = TcpConnector::default().connect(&own, None::<()>).map_err(ProxyError::Link)?;
    let socket: Box<dyn Transport> = Box::new(socket.ok_or(ProxyError::Garbled)?);
    if url.kind != ProxyKind::Https {
        return Ok(socket);
    }
    let inside = TlsTransport::connect(Arc::clone(tls), &url.host, details, socket);
    Ok(Box::new(inside.map_err(ProxyError::Link)?))
}

fn connect(
    stream: &mut TransportAdapter,
    proxy: &Proxy,
    target: &Target<'_>,
) -> Result<(), ProxyError> {
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some((name, password)) = &proxy.url.user {
        let credentials = STANDARD.encode(format!("{name}:{}", password.expose()));
        head.push_str(&format!("Proxy-Authorization: Basic {credentials}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    let answer = read_head(stream)?;
    let status = answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
    let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
    match status {
        Some(200..300) => Ok(()),
        Some(407) => Err(ProxyError::Credentials),
        Some(status) => {
            Err(ProxyError::Refused { target: target.to_string(), answer: status.to_string() })
        }
        None => Err(ProxyError::Garbled),
    }
}

/// The head of an answer and not one byte more: what follows is the target's.
fn read_head(stream: &mut TransportAdapter) -> Result<Vec<u8>, ProxyError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_MAX {
            return Err(ProxyError::Garbled);
        }
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(head)
}

const VERSION: u8 = 5;
const NO_USER: u8 = 0;
const WITH_USER: u8 = 2;

fn socks(
    stream: &mut TransportAdapter,
    proxy: &Proxy,
    target: &Target<'_>,
) -> Result<(), ProxyError> {
    let user = proxy.url.user.as_ref();
    match user {
        None => stream.write_all(&[VERSION, 1, NO_USER])?,
        Some(_) => stream.write_all(&[VERSION, 2, NO_USER, WITH_USER])?,
    }
    match (read::<2>(stream)?, user) {
        ([VERSION, NO_USER], _) => {}
        ([VERSION, WITH_USER], Some((name, password))) => {
            let mut bytes = vec![1];
            for part in [name.as_bytes(), password.expose().as_bytes()] {
                bytes.push(length(part)?);
                bytes.extend_from_slice(part);
            }
            stream.write_all(&bytes)?;
            if read::<2>(stream)?[1] != 0 {
                return Err(ProxyError::Credentials);
            }
        }
        ([VERSION, _], _) => return Err(ProxyError::Credentials),
        _ => return Err(ProxyError::Garbled),
    }
    stream.write_all(&socks_request(target)?)?;
    let [version, reply, _, kind] = read::<4>(stream)?;
    if version != VERSION {
        return Err(ProxyError::Garbled);
    }
    if reply != 0 {
        let answer = socks_reply(reply);
        return Err(ProxyError::Refused { target: target.to_string(), answer });
    }
    // The address that it connected from, which is of no use here, and its port.
    let rest = match kind {
        1 => 4,
        3 => usize::from(read::<1>(stream)?[0]),
        4 => 16,
        _ => return Err(ProxyError::Garbled),
    };
    let mut bound = vec![0; rest + 2];
    stream.read_exact(&mut bound)?;
    Ok(())
}

fn socks_request(target: &Target<'_>) -> Result<Vec<u8>, ProxyError> {
    let mut bytes = vec![VERSION, 1, 0];
    let port = match target {
        Target::Address(address) => {
            match address.ip().to_canonical() {
                IpAddr::V4(address) => {
                    bytes.push(1);
                    bytes.extend_from_slice(&address.octets());
                }
                IpAddr::V6(address) => {
                    bytes.push(4);
                    bytes.extend_from_slice(&address.octets());
                }
            }
            address.port()
        }
        Target::Name(name, port) => {
            bytes.extend_from_slice(&[3, length(name.as_bytes())?]);
            bytes.extend_from_slice(name.as_bytes());
            *port
        }
    };
    bytes.extend_from_slice(&port.to_be_bytes());
    Ok(bytes)
}

/// A length as SOCKS has it; names and users were measured when they were read.
fn length(bytes: &[u8]) -> Result<u8, ProxyError> {
    u8::try_from(bytes.len()).map_err(|_| ProxyError::Garbled)
}

fn read<const COUNT: usize>(stream: &mut TransportAdapter) -> Result<[u8; COUNT], ProxyError> {
    let mut bytes = [0; COUNT];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn socks_reply(reply: u8) -> String {
    let words = match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "too late",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "an unknown code",
    };
    format!("{reply}, {words}")
}
