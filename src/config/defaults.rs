//! What holds where nothing is set.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::egress::{Egress, Resolve};
use super::units::{Size, Span};
use super::{
    Alerts, Auth, Data, Delivery, HeaderNames, Intake, Log, LogFormat, Retention, SchemaCheck,
    Server, Sources, Transforms,
};

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: None,
            trusted_proxies: Vec::new(),
            drain: Span(Duration::from_secs(25)),
            workers: 2,
            max_connections: 2_000,
            backlog: 1_024,
            head_timeout: Span(Duration::from_secs(5)),
            body_timeout: Span(Duration::from_secs(10)),
            write_timeout: Span(Duration::from_secs(120)),
            live_streams: 100,
            live_alive: Span(Duration::from_secs(15)),
        }
    }
}

impl Default for Data {
    fn default() -> Data {
        Data {
            dir: PathBuf::from("./data"),
            min_free: Size(256 << 20),
            segment_size: Size(64 << 20),
            index_cache: Size(2 << 20),
            compact_above: Size(64 << 20),
            read_deadline: Span(Duration::from_secs(30)),
            overlay: Size(32 << 20),
            sealing_key: None,
            sealing_key_file: None,
            previous_sealing_keys: Vec::new(),
            previous_sealing_keys_file: None,
        }
    }
}

impl Default for Auth {
    fn default() -> Auth {
        Auth {
            tokens_per_application: 10_000,
            session: Span(Duration::from_secs(7 * 24 * 3_600)),
            operator_key: None,
            operator_key_file: None,
            jwt_secret: None,
            jwt_secret_file: None,
        }
    }
}

impl Default for Intake {
    fn default() -> Intake {
        Intake {
            max_body: Size(1 << 20),
            max_in_flight: Size(64 << 20),
            auto_key_window: Span(Duration::from_secs(10 * 60)),
            key_window: Span(Duration::from_secs(24 * 3_600)),
            schemas: SchemaCheck::Off,
        }
    }
}

impl Default for Delivery {
    fn default() -> Delivery {
        const HOUR: u64 = 3_600;
        let schedule =
            [5, 300, 1_800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
        Delivery {
            retry_schedule: schedule.map(|s| Span(Duration::from_secs(s))).to_vec(),
            jitter: 0.2,
            timeout: Span(Duration::from_secs(15)),
            threads: 512,
            expire_after: None,
            response_limit: Size(16 << 10),
            headers: HeaderNames::Standard,
            park_after: 10,
            disable_after: Span(Duration::from_secs(5 * 24 * HOUR)),
            order_lookahead: 20_000,
        }
    }
}

impl Default for Egress {
    fn default() -> Egress {
        Egress {
            proxy: None,
            no_proxy: Vec::new(),
            resolve: Resolve::Relay,
            direct: true,
            token_timeout: Span(Duration::from_secs(5)),
        }
    }
}

impl Default for Retention {
    fn default() -> Retention {
        const DAY: u64 = 24 * 3_600;
        Retention {
            max_age: Span(Duration::from_secs(90 * DAY)),
            max_bytes: Size(8 << 30),
            audit_age: Span(Duration::from_secs(365 * DAY)),
            audit_entries: 100_000,
        }
    }
}

impl Default for Sources {
    fn default() -> Sources {
        let day = Span(Duration::from_secs(24 * 3_600));
        Sources {
            dedup_window: day,
            rotation_overlap: day,
            quarantine_requests: 10_000,
            quarantine_bytes: Size(64 << 20),
            held_requests: 1_000_000,
            held_bytes: Size(1 << 30),
        }
    }
}

impl Default for Transforms {
    fn default() -> Transforms {
        Transforms {
            processes: 8,
            time: Span(Duration::from_secs(1)),
            memory: Size(16 << 20),
            stack: Size(256 << 10),
            output: Size(4 << 20),
        }
    }
}

impl Default for Alerts {
    fn default() -> Alerts {
        Alerts {
            look_every: Span(Duration::from_secs(15)),
            summary_above: 5,
            timeout: Span(Duration::from_secs(10)),
            retry_first: Span(Duration::from_secs(15)),
            retry_most: Span(Duration::from_secs(600)),
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { level: "info".to_owned(), format: LogFormat::Auto }
    }
}
