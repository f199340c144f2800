//! TLS for every connection, with one configuration shared by all agents: ureq's own connector
//! would keep a copy of the roots and of the session cache for each.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, LazyBuffers, NextTimeout, Transport, TransportAdapter, time,
};

use crate::domain::egress::EndpointTls;
use crate::engine::connection::{LinkError, ended_by_peer};
use crate::engine::tls_failure::{TlsFailure, Verifier};

/// Sessions that the connections to one endpoint with an identity of its own resume.
const OWN_SESSIONS: usize = 8;

/// What every connection believes and shows; clones share it.
#[derive(Clone, Debug)]
pub struct Tls {
    roots: Arc<RootCertStore>,
    usual: Arc<ClientConfig>,
}

impl Tls {
    /// ring, the bundled web roots and `extra_roots`. There is no switch to skip verification.
    pub fn new(extra_roots: Vec<CertificateDer<'static>>) -> Result<Tls, rustls::Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in extra_roots {
            roots.add(certificate)?;
        }
        let roots = Arc::new(roots);
        let usual = Arc::new(config(Arc::clone(&roots), None)?);
        Ok(Tls { roots, usual })
    }

    /// The configuration of connections that need no other.
    pub(super) fn usual(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.usual)
    }

    /// The configuration of one endpoint's connections. An error says what its settings lack; they
    /// were checked when they were written.
    pub(super) fn of(&self, own: &EndpointTls) -> Result<Arc<ClientConfig>, String> {
        let mut roots = RootCertStore::clone(&self.roots);
        let words = |(setting, words): (&str, String)| format!("{setting} {words}");
        own.add_authorities(&mut roots).map_err(words)?;
        let identity = own.identity().map_err(words)?;
        let mut config = config(Arc::new(roots), identity).map_err(|error| error.to_string())?;
        config.resumption = Resumption::in_memory_sessions(OWN_SESSIONS);
        Ok(Arc::new(config))
    }
}

fn config(
    roots: Arc<RootCertStore>,
    identity: Option<Arc<CertifiedKey>>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let verifier = verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier(verifier)));
    Ok(match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    })
}

/// An HTTP transport inside TLS.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl TlsTransport {
    /// Shakes hands with `host` over `socket` within what is left of the time for connecting.
    pub(super) fn connect(
        config: Arc<ClientConfig>,
        host: &str,
        details: &ConnectionDetails<'_>,
        socket: Box<dyn Transport>,
    ) -> Result<TlsTransport, ureq::Error> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|error| LinkError::Tls(TlsFailure::Other(error.to_string())))?;
        let mut session = ClientConnection::new(config, name)
            .map_err(|error| LinkError::Tls(TlsFailure::of(&error)))?;
        let mut socket = TransportAdapter::new(socket, details.current_time.clone());
        socket.set_timeout(remaining(details));
        while session.is_handshaking() {
            if let Err(error) = session.complete_io(&mut socket) {
                return match ended_by_peer(&error).then(|| said(&mut session, &mut socket)) {
                    Some(Some(failure)) => Err(LinkError::Tls(failure).into()),
                    _ => Err(handshake_error(error)),
                };
            }
        }
        let stream = StreamOwned::new(session, socket);
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(TlsTransport { buffers, stream })
    }
}

/// What connecting left of the time for connection and handshake.
pub(super) fn remaining(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (time::Duration::Exact(whole), time::Instant::Exact(start)) =
        (timeout.after, details.now)
    {
        timeout.after = time::Duration::Exact(whole.saturating_sub(start.elapsed()));
    }
    timeout
}

/// What a peer said before it closed while it was written to: that it refuses a client certificate,
/// or misses one.
fn said(session: &mut ClientConnection, socket: &mut TransportAdapter) -> Option<TlsFailure> {
    session.read_tls(socket).ok()?;
    session.process_new_packets().err().map(|error| TlsFailure::of(&error))
}

fn handshake_error(error: io::Error) -> ureq::Error {
    match ureq::Error::from(error) {
        timeout @ ureq::Error::Timeout(_) => timeout,
        ureq::Error::Io(error) => LinkError::Tls(TlsFailure::of_io(&error)).into(),
        other => LinkError::Tls(TlsFailure::Other(other.to_string())).into(),
    }
}

/// Reads what a peer said before it closed. [`StreamOwned`] would first write what it has not been
/// able to.
fn read_unwritten(
    stream: &mut StreamOwned<ClientConnection, TransportAdapter>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    loop {
        match stream.conn.reader().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
        if stream.conn.read_tls(&mut stream.sock)? == 0 {
            return Ok(0);
        }
        stream.conn.process_new_packets().map_err(io::Error::other)?;
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TlsTransport")
    }
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output)?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = match self.stream.read(self.buffers.input_append_buf()) {
            Err(error) if ended_by_peer(&error) => {
                match read_unwritten(&mut self.stream, self.buffers.input_append_buf()) {
                    Ok(amount @ 1..) => amount,
                    _ => return Err(error.into()),
                }
            }
            read => read?,
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// Whether it may carry another request: nothing has come that the last answer left over,
    /// decrypted or not.
    fn is_open(&mut self) -> bool {
        let state = self.stream.conn.process_new_packets();
        let is_clean = state
            .is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed());
        let socket = self.stream.sock.get_mut();
        is_clean && socket.buffers().input().is_empty() && socket.is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
