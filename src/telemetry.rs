//! Logs on stderr, and what a panic does. Secrets never come here: their types don't print.

use std::backtrace::Backtrace;
use std::io::{self, IsTerminal};
use std::panic;
use std::process;
use std::thread;

use thiserror::Error;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{Log, LogFormat};

pub mod panic_point;

/// The exit code after a panic, as Rust's own.
pub const PANIC_EXIT_CODE: i32 = 101;

/// Why logs can't be written as asked.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `log.level` names no level and no directives.
    #[error("log.level `{0}` is not understood")]
    Level(String),
    /// Something of this process has begun to log before.
    #[error("logging has already begun")]
    Begun,
    /// The log is gone.
    #[error("the log takes no other level any more")]
    Gone,
}

/// Changes what is logged while the relay runs.
pub struct LogLevel(Handle<EnvFilter, Registry>);

impl LogLevel {
    /// From now on logs what `log.level` of a new configuration says.
    pub fn change(&self, level: &str) -> Result<(), TelemetryError> {
        self.0.reload(filter(level)?).map_err(|_| TelemetryError::Gone)
    }
}

/// Begins to log to stderr: text on a terminal and JSON elsewhere, unless the format is set.
pub fn start(log: &Log) -> Result<LogLevel, TelemetryError> {
    let (filter, handle) = reload::Layer::new(filter(&log.level)?);
    let text = match log.format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let lines = fmt::layer().with_writer(io::stderr);
    let lines = if text {
        let colour = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        lines.with_ansi(colour).boxed()
    } else {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    subscriber.try_init().map_err(|_| TelemetryError::Begun)?;
    Ok(LogLevel(handle))
}

/// What libraries log of their own is for whoever asks for it by name: ureq's and rustls's finer
/// lines hold whole requests, credentials among them, a server's lines on its threads say nothing
/// that ours do not, and sled's are a flood.
const QUIET: [&str; 5] = ["ureq", "ureq_proto", "rustls", "actix_server", "sled"];
/// What it logs as an error is bytes of a stranger that are no HTTP.
const SILENT: &str = "actix_http";

/// What is told whatever `log.level` is: that without which nobody gets in.
pub const ALWAYS: &str = "relay::first_sign_in";

fn filter(level: &str) -> Result<EnvFilter, TelemetryError> {
    let wrong = || TelemetryError::Level(level.to_owned());
    let mut filter = EnvFilter::try_new(level).map_err(|_| wrong())?;
    filter = filter.add_directive(format!("{ALWAYS}=info").parse().map_err(|_| wrong())?);
    let quiet = QUIET.map(|target| (target, most(level)));
    for (target, most) in quiet.into_iter().chain([(SILENT, "off")]) {
        if !is_named(level, target) {
            filter = filter.add_directive(format!("{target}={most}").parse().map_err(|_| wrong())?);
        }
    }
    Ok(filter)
}

/// Whether a directive is about this target or a module of it.
fn is_named(level: &str, target: &str) -> bool {
    level.split(',').any(|directive| {
        let name = directive.trim().split(['=', '[']).next().unwrap_or_default();
        name.split("::").next() == Some(target)
    })
}

/// What a library that is not named may log: warnings, unless everything else logs less.
fn most(level: &str) -> &'static str {
    let mut parts = level.split(',').map(|part| part.trim().to_ascii_lowercase());
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    match parts.rfind(|part| levels.contains(&part.as_str())).as_deref() {
        Some("off") => "off",
        Some("error") | None => "error",
        Some(_) => "warn",
    }
}

/// Where a panic is an answer and not the end.
#[derive(Clone, Copy, Debug)]
pub struct Spared {
    /// Threads of this name: the library behind the index may panic over damaged files while it is
    /// opened.
    pub index_thread: &'static str,
    /// A part of the path of a source file, and its end: what a caller sends may make a library
    /// panic before anybody sees it. The task of that one connection ends.
    pub request_source: Option<(&'static str, &'static str)>,
}

impl Spared {
    fn is_request(&self, file: &str) -> bool {
        self.request_source.is_some_and(|(part, end)| file.contains(part) && file.ends_with(end))
    }
}

/// From now on a panic is logged and ends the process with [`PANIC_EXIT_CODE`], but where it is
/// spared. Elsewhere a relay that has lost a thread would look alive and deliver nothing, while the
/// next start recovers.
pub fn end_on_panic(spared: Spared) {
    panic::set_hook(Box::new(move |info| {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let payload = info.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let reason = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let reason = reason.unwrap_or("no reason given");
        if thread == spared.index_thread {
            tracing::warn!(thread, place, reason, "the index can't be opened");
            return;
        }
        if info.location().is_some_and(|location| spared.is_request(location.file())) {
            tracing::debug!(thread, place, reason, "a request that can't be read");
            return;
        }
        let backtrace = Backtrace::capture();
        tracing::error!(thread, place, reason, %backtrace, "a thread panicked, the relay ends");
        process::exit(PANIC_EXIT_CODE);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::env;
    use std::process::{Command, Output};

    const SPARED: &str = "index-check";
    const CHILD: &str = "RELAY_TEST_PANIC_ON";

    /// Runs this very test in a process of its own, which panics on a thread of this name.
    fn panic_on(name: &str) -> Output {
        Command::new(env::current_exe().unwrap())
            .args(["--exact", "telemetry::tests::a_panic_ends_the_process", "--nocapture"])
            .env(CHILD, name)
            .output()
            .unwrap()
    }

    fn child(name: &str) {
        let level = start(&Config::default().log).unwrap();
        assert!(start(&Config::default().log).is_err());
        assert!(level.change("relay=loud").is_err());
        end_on_panic(Spared { index_thread: SPARED, request_source: Some(("http-", "decode.rs")) });
        tracing::debug!("too fine");
        level.change("relay=debug").unwrap();
        tracing::debug!("fine enough");
        let thread = thread::Builder::new().name(name.to_owned());
        let result = thread.spawn(|| panic!("by \"itself\"")).unwrap().join();
        assert!(result.is_err());
        tracing::info!("lived on");
    }

    #[test]
    fn one_source_of_one_library_is_spared() {
        let request_source = Some(("/http-", "/decode.rs"));
        let spared = Spared { index_thread: SPARED, request_source };
        assert!(spared.is_request("registry/http-1.2.3/src/decode.rs"));
        for other in ["registry/http-1.2.3/src/encode.rs", "src/decode.rs", "/http-1/decode.rs/x"] {
            assert!(!spared.is_request(other), "{other}");
        }
        let none = Spared { request_source: None, ..spared };
        assert!(!none.is_request("registry/http-1.2.3/src/decode.rs"));
    }

    #[test]
    fn libraries_are_quiet_unless_they_are_named() {
        let check = |level: &str, expected: &[&str]| {
            let filter = filter(level).unwrap().to_string();
            let directives: Vec<&str> = filter.split(',').collect();
            for directive in expected {
                assert!(directives.contains(directive), "{level}: {filter}");
            }
        };
        check("debug", &["debug", "ureq=warn", "ureq_proto=warn", "rustls=warn"]);
        check("trace,relay=info", &["trace", "relay=info", "ureq=warn", "actix_server=warn"]);
        check("debug,ureq=trace", &["debug", "ureq=trace", "ureq_proto=warn"]);
        check("info,actix_server=info", &["actix_server=info", "rustls=warn"]);
        check("ureq::pool=debug", &["ureq::pool=debug", "ureq_proto=error"]);
        check("off", &["off", "ureq=off", "relay::first_sign_in=info"]);
        check("ERROR", &["error", "ureq=error", "actix_server=error"]);
        assert!(filter("relay=loud").is_err());
    }

    #[test]
    fn a_panic_ends_the_process() {
        if let Some(name) = env::var_os(CHILD) {
            return child(name.to_str().unwrap());
        }
        let output = panic_on("writer");
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(PANIC_EXIT_CODE), "{log}");
        assert!(!log.contains("too fine") && !log.contains("lived on"), "{log}");
        // The test harness writes to stderr as well.
        let lines = log.lines().filter(|line| line.starts_with('{'));
        let lines: Vec<serde_json::Value> =
            lines.map(|line| serde_json::from_str(line).expect(line)).collect();
        assert_eq!(lines[0]["message"], "fine enough");
        assert_eq!(lines[1]["level"], "ERROR");
        assert_eq!(lines[1]["thread"], "writer");
        assert_eq!(lines[1]["reason"], "by \"itself\"");

        let output = panic_on(SPARED);
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{log}");
        assert!(log.contains("the index can't be opened") && log.contains("lived on"), "{log}");
    }
}
