//! The agent of one scheme, host and port, and how each of its requests is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ureq::http::{self, HeaderName, HeaderValue, Method, Uri};
use ureq::{Agent, AsSendBody, Body};

use crate::config::egress::Resolve;
use crate::domain::delivery::Outcome;
use crate::domain::egress::EndpointTls;
use crate::engine::answer::detail;
use crate::engine::connection::{LinkConnector, Through};
use crate::engine::proxy::Proxy;
use crate::engine::resolver::{AgentResolver, GuardedResolver};
use crate::engine::transport::{OutgoingRequest, TransportSettings, USER_AGENT};

const BUFFER: usize = 16 << 10;
/// One less than the buffer: a head that fills it is over the limit, not the end of input.
const MAX_RESPONSE_HEAD: usize = BUFFER - 1;
/// What interim answers, head and trailers may take beside the body.
const MAX_FRAMING: usize = 128 << 10;
/// A chunk of one byte takes six.
const FRAMING_PER_BYTE: usize = 8;
const MAX_IDLE_AGE: Duration = Duration::from_secs(15);
const LONGEST_LOOKUP: Duration = Duration::from_secs(5);
const LONGEST_CONNECT: Duration = Duration::from_secs(5);
/// One line a minute for each origin and outcome.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// One origin's agent. Times are milliseconds since the transport was made.
pub(super) struct Origin {
    agent: Agent,
    /// The settings that its TLS was made of.
    pub(super) own_tls: Option<EndpointTls>,
    used: AtomicU64,
    /// When each outcome may be logged again.
    quiet_until: [AtomicU64; 9],
}

impl Origin {
    /// An agent without a connection yet. An error says what the endpoint's TLS lacks.
    pub(super) fn new(
        settings: &TransportSettings,
        resolver: Arc<GuardedResolver>,
        own_tls: Option<&EndpointTls>,
        proxy: Option<&Arc<Proxy>>,
    ) -> Result<Origin, String> {
        let Phases { resolve, connect, body } = Phases::of(settings.timeout);
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(settings.timeout))
            .timeout_resolve(Some(resolve))
            .timeout_connect(Some(connect))
            .timeout_recv_body(Some(body))
            .max_response_header_size(MAX_RESPONSE_HEAD)
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(settings.max_idle)
            .max_idle_connections_per_host(settings.max_idle)
            .max_idle_age(MAX_IDLE_AGE)
            .accept_encoding("identity")
            .user_agent(USER_AGENT)
            .build();
        let usual = settings.tls.usual();
        let connector = LinkConnector {
            tls: own_tls.map_or(Ok(usual.clone()), |own| settings.tls.of(own))?,
            proxy: proxy.map(|proxy| Through {
                proxy: Arc::clone(proxy),
                resolver: Arc::clone(&resolver),
                tls: usual,
            }),
            max_received: MAX_FRAMING + FRAMING_PER_BYTE * settings.response_limit,
        };
        let proxy_looks_up = proxy.is_some_and(|proxy| proxy.resolve == Resolve::Proxy);
        let resolver = AgentResolver { resolver, proxy_looks_up };
        let agent = Agent::with_parts(config, connector, resolver);
        let (used, own_tls) = (AtomicU64::new(0), own_tls.cloned());
        Ok(Origin { agent, own_tls, used, quiet_until: Default::default() })
    }

    /// Ends its requests and refuses later ones.
    pub(super) fn shutdown(&self) {
        self.agent.clone().shutdown();
    }

    /// A request begins now.
    pub(super) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    /// Sends once and reads the head; `timeout` is given where it differs from the agent's own.
    pub(super) fn attempt(
        &self,
        request: &OutgoingRequest,
        timeout: Option<Duration>,
    ) -> Result<http::Response<Body>, ureq::Error> {
        let method = Method::from_bytes(request.method.as_bytes()).map_err(http::Error::from)?;
        // HTTP gives their bodies no meaning (RFC 9110 sections 9.3.1 and 9.3.5): they have none.
        if matches!(method, Method::GET | Method::DELETE) {
            let built = self.build(request, method, ())?;
            return self.agent.run(self.timed(built, timeout));
        }
        let built = self.build(request, method, &*request.body)?;
        self.agent.run(self.timed(built, timeout))
    }

    fn build<B>(
        &self,
        request: &OutgoingRequest,
        method: Method,
        body: B,
    ) -> Result<http::Request<B>, ureq::Error> {
        let mut built = http::Request::new(body);
        *built.method_mut() = method;
        *built.uri_mut() = Uri::try_from(&*request.url).map_err(http::Error::from)?;
        let headers = built.headers_mut();
        headers.reserve(request.headers.len() + 4);
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(http::Error::from)?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(http::Error::from)?;
            headers.append(name, value);
        }
        Ok(built)
    }

    fn timed<B: AsSendBody>(
        &self,
        request: http::Request<B>,
        timeout: Option<Duration>,
    ) -> http::Request<B> {
        let Some(timeout) = timeout else { return request };
        let Phases { resolve, connect, body } = Phases::of(timeout);
        self.agent
            .configure_request(request)
            .timeout_global(Some(timeout))
            .timeout_resolve(Some(resolve))
            .timeout_connect(Some(connect))
            .timeout_recv_body(Some(body))
            .build()
    }

    /// True while a request holds it: only asked under the map's write lock.
    pub(super) fn is_busy(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
    }

    /// When its latest request began.
    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The true cause, for the operator alone.
    pub(super) fn log(&self, now: u64, name: &str, outcome: Outcome, cause: &ureq::Error) {
        let quiet_until = &self.quiet_until[outcome as usize];
        let until = quiet_until.load(Ordering::Relaxed);
        let next = now + millis(LOG_EVERY);
        if now >= until
            && quiet_until
                .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            let cause = detail(cause);
            tracing::info!(origin = name, ?outcome, %cause, "no answer to a delivery");
        }
    }
}

/// How a request's time is shared out, each at most.
struct Phases {
    resolve: Duration,
    connect: Duration,
    /// A third: a status that was read must not wait for its body for long.
    body: Duration,
}

impl Phases {
    fn of(timeout: Duration) -> Phases {
        Phases {
            resolve: timeout.min(LONGEST_LOOKUP),
            connect: timeout.min(LONGEST_CONNECT),
            body: timeout / 3,
        }
    }
}

/// Whole milliseconds, saturating.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
