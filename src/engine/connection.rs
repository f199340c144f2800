//! The connections that agents make: TCP, TLS over it, and a watch over both that knows in which
//! phase a connection failed and how much came over it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use thiserror::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport, time,
};

use crate::engine::proxy::Proxy;
use crate::engine::resolver::GuardedResolver;
use crate::engine::tls::TlsTransport;
use crate::engine::tls_failure::TlsFailure;
use crate::engine::tunnel::{self, ProxyError};

/// Heads up to this size wait for the first piece of the body, to leave in one segment with it.
const HELD_HEAD: usize = 4 << 10;
/// Long socket timeouts are rounded up to this, so that few requests have to set them anew.
const TIMEOUT_STEP: Duration = Duration::from_millis(250);

/// Where a connection failed.
#[derive(Debug, Error)]
pub enum LinkError {
    /// Nothing took the connection.
    #[error("no connection: {0}")]
    Connect(ureq::Error),
    /// The TLS handshake failed, or the peer refused it later.
    #[error("{0}")]
    Tls(TlsFailure),
    /// The proxy made no connection.
    #[error("the proxy {proxy}: {cause}")]
    Proxy {
        /// Its URL, without user and password.
        proxy: String,
        /// Why it did not.
        cause: ProxyError,
    },
    /// More bytes came than head, interim answers and body may take together.
    #[error("the answer is longer than {0} bytes, framing included")]
    TooMuch(usize),
    /// It ended before the first byte of an answer.
    #[error("the connection ended before an answer: {cause}")]
    Lost {
        /// Whether it had carried an earlier request: the peer may have closed it while idle.
        reused: bool,
        /// What the socket said.
        cause: String,
    },
}

impl From<LinkError> for ureq::Error {
    fn from(error: LinkError) -> ureq::Error {
        ureq::Error::Other(Box::new(error))
    }
}

/// Makes the connections of one agent; TLS configurations are shared.
#[derive(Clone)]
pub struct LinkConnector {
    /// Of the connections to the origin.
    pub tls: Arc<ClientConfig>,
    /// What they go through.
    pub proxy: Option<Through>,
    /// Bytes taken for one request, whatever they are: interim answers, head, framing, body.
    pub max_received: usize,
}

/// A proxy and what leads to it.
#[derive(Clone)]
pub struct Through {
    /// Which one.
    pub proxy: Arc<Proxy>,
    /// Looks its name up.
    pub resolver: Arc<GuardedResolver>,
    /// For a proxy that is spoken to inside TLS.
    pub tls: Arc<ClientConfig>,
}

impl Through {
    fn connect(&self, details: &ConnectionDetails<'_>) -> Result<Box<dyn Transport>, LinkError> {
        let opened = tunnel::open(&self.proxy, &self.resolver, &self.tls, details);
        opened.map_err(|cause| LinkError::Proxy { proxy: self.proxy.url.to_string(), cause })
    }
}

impl fmt::Debug for LinkConnector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LinkConnector")
    }
}

impl Connector<()> for LinkConnector {
    type Out = Link;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Link>, ureq::Error> {
        let socket: Box<dyn Transport> = match &self.proxy {
            Some(through) => through.connect(details)?,
            None => {
                let socket = TcpConnector::default().connect(details, chained);
                let Some(socket) = socket.map_err(LinkError::Connect)? else {
                    return Ok(None);
                };
                Box::new(socket)
            }
        };
        let transport: Box<dyn Transport> = if details.needs_tls() {
            let host = details.uri.host().unwrap_or_default();
            Box::new(TlsTransport::connect(self.tls.clone(), host, details, socket)?)
        } else {
            socket
        };
        Ok(Some(Link::new(transport, self.max_received)))
    }
}

/// A connection that knows whether its current request has had a first byte of answer.
#[derive(Debug)]
pub struct Link {
    inner: Box<dyn Transport>,
    head: Vec<u8>,
    reused: bool,
    begun: bool,
    answered: bool,
    write_failed: bool,
    received: usize,
    max_received: usize,
}

impl Link {
    fn new(inner: Box<dyn Transport>, max_received: usize) -> Link {
        Link {
            inner,
            received: 0,
            max_received,
            head: Vec::new(),
            reused: false,
            begun: false,
            answered: false,
            write_failed: false,
        }
    }

    /// A peer may answer, and close, before it has read the whole request: a failed write is
    /// not the end while its answer may still be read.
    fn send(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.write_failed {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(ureq::Error::Io(error)) if ended_by_peer(&error) => {
                self.write_failed = true;
                Ok(())
            }
            sent => sent,
        }
    }

    /// Puts the held head before the `amount` bytes of output, or sends it when both do not fit.
    fn send_head(&mut self, amount: usize, timeout: NextTimeout) -> Result<usize, ureq::Error> {
        let head = std::mem::take(&mut self.head);
        let output = self.inner.buffers().output();
        if head.len() + amount <= output.len() {
            output.copy_within(..amount, head.len());
            output[..head.len()].copy_from_slice(&head);
            let total = head.len() + amount;
            self.keep_room(head);
            return Ok(total);
        }
        let body = output[..amount].to_vec();
        output[..head.len()].copy_from_slice(&head);
        self.send(head.len(), timeout)?;
        self.inner.buffers().output()[..amount].copy_from_slice(&body);
        self.keep_room(head);
        Ok(amount)
    }

    fn keep_room(&mut self, mut head: Vec<u8>) {
        head.clear();
        self.head = head;
    }

    /// Without a bound a flood of interim answers or trailers would keep a thread busy until the
    /// timeout.
    fn receive(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.inner.buffers().input().len();
        let progress = self.inner.await_input(timeout)?;
        self.received += self.inner.buffers().input().len().saturating_sub(before);
        if self.received > self.max_received {
            return Err(LinkError::TooMuch(self.max_received).into());
        }
        Ok(progress)
    }

    fn lost(&self, cause: String) -> ureq::Error {
        LinkError::Lost { reused: self.reused, cause }.into()
    }
}

/// Whether a write failed because the other end closed.
pub(super) fn ended_by_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
    )
}

fn is_tls_error(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

fn rounded(mut timeout: NextTimeout) -> NextTimeout {
    if let time::Duration::Exact(exact) = timeout.after
        && exact > TIMEOUT_STEP * 4
    {
        let step = TIMEOUT_STEP.as_nanos();
        let steps = u32::try_from(exact.as_nanos().div_ceil(step)).unwrap_or(u32::MAX);
        timeout.after = time::Duration::Exact(TIMEOUT_STEP.saturating_mul(steps));
    }
    timeout
}

impl Transport for Link {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let timeout = rounded(timeout);
        if self.answered {
            self.answered = false;
            self.reused = true;
            self.begun = false;
            self.received = 0;
        }
        if !self.begun {
            self.begun = true;
            if amount <= HELD_HEAD {
                self.head.extend_from_slice(&self.inner.buffers().output()[..amount]);
                return Ok(());
            }
        }
        let amount = if self.head.is_empty() { amount } else { self.send_head(amount, timeout)? };
        self.send(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let timeout = rounded(timeout);
        if !self.head.is_empty() {
            let amount = self.send_head(0, timeout)?;
            self.send(amount, timeout)?;
        }
        let received = self.receive(timeout);
        if self.answered {
            return received;
        }
        match received {
            Ok(true) => {
                self.answered = true;
                Ok(true)
            }
            Ok(false) => Err(self.lost("it was closed".to_owned())),
            Err(ureq::Error::Io(error)) if is_tls_error(&error) => {
                Err(LinkError::Tls(TlsFailure::of_io(&error)).into())
            }
            Err(ureq::Error::Io(error)) => Err(self.lost(error.to_string())),
            Err(other) => Err(other),
        }
    }

    fn is_open(&mut self) -> bool {
        !self.write_failed && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
