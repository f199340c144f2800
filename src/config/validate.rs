//! What each setting may be, and what settings must be to each other.

use std::fmt::Display;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::Config;
use super::units::{Size, Span};
use crate::domain::delivery_settings::RETRIES_MAX;
use crate::domain::headers::{HeaderError, check_header_name};
use crate::domain::redact::RULES_MAX;

/// A journal segment holds at least so many of the largest request bodies: a record may take a
/// sixteenth of it, and a body is kept beside its rows.
pub const SEGMENT_BODIES: u64 = 32;
/// The largest journal segment, in bytes: offsets in it are 32-bit.
pub const SEGMENT_MAX: u64 = 1 << 30;
/// The most senders.
pub const THREADS_MAX: usize = 4_096;

const NETWORKS_MAX: usize = 1_000;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Problems as pairs of a setting's path and a message.
pub(super) fn check(config: &Config) -> Vec<(String, String)> {
    let mut checks = Checks { found: Vec::new() };
    server(config, &mut checks);
    data(config, &mut checks);
    intake(config, &mut checks);
    delivery(config, &mut checks);
    rest(config, &mut checks);
    alerts(config, &mut checks);
    checks.found
}

struct Checks {
    found: Vec<(String, String)>,
}

impl Checks {
    fn require(&mut self, holds: bool, setting: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.found.push((setting.to_owned(), message()));
        }
    }

    fn within<T: PartialOrd + Display>(&mut self, setting: &str, value: T, least: T, most: T) {
        let holds = value >= least && value <= most;
        self.require(holds, setting, || {
            format!("{value} is out of range, {least} to {most} is right")
        });
    }

    fn size(&mut self, setting: &str, value: Size, least: u64, most: u64) {
        self.within(setting, value, Size(least), Size(most));
    }

    /// Both limits in milliseconds.
    fn span(&mut self, setting: &str, value: Span, least: u64, most: u64) {
        let span = |millis| Span(Duration::from_millis(millis));
        self.within(setting, value, span(least), span(most));
    }
}

fn server(config: &Config, checks: &mut Checks) {
    let server = &config.server;
    checks.span("server.drain", server.drain, 0, 600_000);
    checks.within("server.workers", server.workers, 1, 256);
    checks.within("server.max_connections", server.max_connections, 1, 1_000_000);
    checks.within("server.backlog", server.backlog, 1, 65_535);
    checks.span("server.head_timeout", server.head_timeout, 100, 300_000);
    checks.span("server.body_timeout", server.body_timeout, 100, 3_600_000);
    checks.span("server.write_timeout", server.write_timeout, 1_000, 3_600_000);
    checks.within("server.live_streams", server.live_streams, 0, 10_000);
    checks.span("server.live_alive", server.live_alive, 100, 30_000);
    checks.require(server.trusted_proxies.len() <= NETWORKS_MAX, "server.trusted_proxies", || {
        format!("more than {NETWORKS_MAX} networks")
    });
    if let Some(url) = &server.public_url {
        let plain = ["http", "https"].contains(&url.scheme())
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        checks.require(plain, "server.public_url", || {
            "must be http:// or https:// and a host, without user, query or fragment".to_owned()
        });
    }
}

fn data(config: &Config, checks: &mut Checks) {
    let data = &config.data;
    checks.require(!data.dir.as_os_str().is_empty(), "data.dir", || {
        "is empty, name a folder".to_owned()
    });
    checks.size("data.min_free", data.min_free, 0, TIB);
    checks.size("data.index_cache", data.index_cache, MIB, 64 * GIB);
    checks.size("data.compact_above", data.compact_above, MIB, TIB);
    checks.span("data.read_deadline", data.read_deadline, 1_000, HOUR * 1_000);
    checks.size("data.overlay", data.overlay, MIB, 16 * GIB);
    let least = config.intake.max_body.0.saturating_mul(SEGMENT_BODIES);
    let segment = data.segment_size;
    checks.require(segment.0 >= least && segment.0 <= SEGMENT_MAX, "data.segment_size", || {
        format!(
            "{segment} is out of range, {} ({SEGMENT_BODIES} times intake.max_body) to {} is right",
            Size(least),
            Size(SEGMENT_MAX)
        )
    });
}

fn intake(config: &Config, checks: &mut Checks) {
    let intake = &config.intake;
    checks.size("intake.max_body", intake.max_body, KIB, SEGMENT_MAX / SEGMENT_BODIES);
    let (in_flight, body) = (intake.max_in_flight, intake.max_body);
    checks.require(in_flight >= body, "intake.max_in_flight", || {
        format!(
            "{in_flight} is less than intake.max_body, {body}: the largest body would never fit"
        )
    });
    checks.size("intake.max_in_flight", in_flight, KIB, 64 * GIB);
    checks.span("intake.auto_key_window", intake.auto_key_window, 1_000, 30 * DAY * 1_000);
    checks.span("intake.key_window", intake.key_window, 1_000, 30 * DAY * 1_000);
}

fn delivery(config: &Config, checks: &mut Checks) {
    let delivery = &config.delivery;
    let schedule = &delivery.retry_schedule;
    checks.require(!schedule.is_empty(), "delivery.retry_schedule", || {
        "is empty, a delivery that fails once would be dead; name one delay at least".to_owned()
    });
    checks.require(schedule.len() <= RETRIES_MAX, "delivery.retry_schedule", || {
        format!("has {} delays, {RETRIES_MAX} at most are right", schedule.len())
    });
    for (index, delay) in schedule.iter().enumerate() {
        let setting = format!("delivery.retry_schedule[{index}]");
        checks.span(&setting, *delay, 1, 30 * DAY * 1_000);
    }
    checks.within("delivery.jitter", delivery.jitter, 0.0, 0.5);
    checks.span("delivery.timeout", delivery.timeout, 100, 600_000);
    checks.within("delivery.threads", delivery.threads, 1, THREADS_MAX);
    if let Some(expire_after) = delivery.expire_after {
        checks.span("delivery.expire_after", expire_after, 1_000, 365 * DAY * 1_000);
    }
    checks.size("delivery.response_limit", delivery.response_limit, 0, MIB);
    let (limit, segment) = (delivery.response_limit, config.data.segment_size);
    // An attempt is one record: a sixteenth of a segment, with what was sent and its rows.
    checks.require(limit.0 <= segment.0 / 64, "delivery.response_limit", || {
        format!("{limit} is more than a 64th of data.segment_size ({segment}): raise that")
    });
    checks.within("delivery.park_after", delivery.park_after, 1, 1_000_000);
    checks.span("delivery.disable_after", delivery.disable_after, 1_000, 365 * DAY * 1_000);
    checks.within("delivery.order_lookahead", delivery.order_lookahead, 1, 1_000_000);
}

fn alerts(config: &Config, checks: &mut Checks) {
    let alerts = &config.alerts;
    checks.span("alerts.look_every", alerts.look_every, 100, HOUR * 1_000);
    checks.within("alerts.summary_above", alerts.summary_above, 1, 100);
    checks.span("alerts.timeout", alerts.timeout, 100, 60_000);
    checks.span("alerts.retry_first", alerts.retry_first, 100, HOUR * 1_000);
    let (first, most) = (alerts.retry_first, alerts.retry_most);
    checks.require(most >= first, "alerts.retry_most", || {
        format!("{most} is less than alerts.retry_first, {first}")
    });
    checks.span("alerts.retry_most", most, 100, DAY * 1_000);
}

fn redact(config: &Config, checks: &mut Checks) {
    let (headers, paths) = (&config.redact.headers, &config.redact.json_paths);
    for (setting, count) in [("redact.headers", headers.len()), ("redact.json_paths", paths.len())]
    {
        checks.require(count <= RULES_MAX, setting, || {
            format!("has {count} items, {RULES_MAX} at most are right")
        });
    }
    for (index, name) in headers.iter().enumerate() {
        let named = !matches!(check_header_name(name), Err(HeaderError::Name));
        checks.require(named, &format!("redact.headers[{index}]"), || {
            format!("`{name}` is no name of an HTTP header, write it like \"x-card-number\"")
        });
    }
}

fn rest(config: &Config, checks: &mut Checks) {
    let tokens = config.auth.tokens_per_application;
    checks.within("auth.tokens_per_application", tokens, 1, 1_000_000);
    checks.span("auth.session", config.auth.session, 60_000, 365 * DAY * 1_000);
    checks.require(config.guard.allow.len() <= NETWORKS_MAX, "guard.allow", || {
        format!("more than {NETWORKS_MAX} networks")
    });
    checks.span("egress.token_timeout", config.egress.token_timeout, 100, 60_000);
    checks.found.extend(super::egress::check(config));
    checks.found.extend(super::portal::check(config));
    let retention = &config.retention;
    checks.span("retention.max_age", retention.max_age, 60_000, 3_650 * DAY * 1_000);
    checks.span("retention.audit_age", retention.audit_age, 60_000, 3_650 * DAY * 1_000);
    checks.within("retention.audit_entries", retention.audit_entries, 1, 10_000_000);
    let (bytes, segment) = (retention.max_bytes, config.data.segment_size);
    checks.require(bytes.0 >= segment.0.saturating_mul(4), "retention.max_bytes", || {
        format!("{bytes} is less than 4 journal segments (data.segment_size is {segment})")
    });
    let sources = &config.sources;
    checks.span("sources.dedup_window", sources.dedup_window, 1_000, 7 * DAY * 1_000);
    checks.span("sources.rotation_overlap", sources.rotation_overlap, 0, 365 * DAY * 1_000);
    let kept = sources.quarantine_requests;
    checks.within("sources.quarantine_requests", kept, 0, 1_000_000);
    checks.size("sources.quarantine_bytes", sources.quarantine_bytes, 0, TIB);
    checks.within("sources.held_requests", sources.held_requests, 1, 100_000_000);
    checks.size("sources.held_bytes", sources.held_bytes, 1, TIB);
    let transforms = &config.transforms;
    checks.within("transforms.processes", transforms.processes, 1, 256);
    checks.span("transforms.time", transforms.time, 10, 60_000);
    checks.size("transforms.memory", transforms.memory, MIB, GIB);
    checks.size("transforms.stack", transforms.stack, 64 * KIB, 8 * MIB);
    checks.size("transforms.output", transforms.output, 1, 64 * MIB);
    redact(config, checks);
    let level = &config.log.level;
    // A lone word that is no level would be taken for the name of a module.
    let lone = !level.contains(['=', ',']);
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let known = !lone || levels.contains(&level.to_ascii_lowercase().as_str());
    checks.require(known && EnvFilter::try_new(level).is_ok(), "log.level", || {
        format!(
            "`{level}` is none of {}, nor directives like relay::engine=debug",
            levels.join(", ")
        )
    });
}
