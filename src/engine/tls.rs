//! TLS for every connection, with one configuration shared by all agents: ureq's own connector
//! would keep a copy of the roots and of the session cache for each.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, LazyBuffers, NextTimeout, Transport, TransportAdapter, time,
};

use crate::engine::connection::LinkError;

/// The TLS configuration of every connection: ring, the bundled web roots and `extra_roots`.
/// There is no switch to skip verification.
pub fn tls_config(
    extra_roots: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in extra_roots {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// An HTTP transport inside TLS.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl TlsTransport {
    /// Shakes hands over `socket` within what is left of the time for connecting.
    pub(super) fn connect(
        config: Arc<ClientConfig>,
        details: &ConnectionDetails<'_>,
        socket: Box<dyn Transport>,
    ) -> Result<TlsTransport, ureq::Error> {
        let host = details.uri.host().unwrap_or_default();
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|error| LinkError::Tls(error.to_string()))?;
        let session = ClientConnection::new(config, name)
            .map_err(|error| LinkError::Tls(error.to_string()))?;
        let mut socket = TransportAdapter::new(socket, details.current_time.clone());
        socket.set_timeout(remaining(details));
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(handshake_error)?;
        }
        let buffers = LazyBuffers::new(
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(TlsTransport { buffers, stream })
    }
}

/// What connecting left of the time for connection and handshake.
fn remaining(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (time::Duration::Exact(whole), time::Instant::Exact(start)) =
        (timeout.after, details.now)
    {
        timeout.after = time::Duration::Exact(whole.saturating_sub(start.elapsed()));
    }
    timeout
}

fn handshake_error(error: io::Error) -> ureq::Error {
    match ureq::Error::from(error) {
        timeout @ ureq::Error::Timeout(_) => timeout,
        ureq::Error::Io(error) => LinkError::Tls(error.to_string()).into(),
        other => LinkError::Tls(other.to_string()).into(),
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
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
