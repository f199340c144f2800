//! A relay with a source, behind a proxy, and a listener in a process of its own.

use serde_json::json;

use super::listener::Listener;
use super::proxy::Proxy;
use crate::live::Live;
use crate::support::Folder;

/// A sign of life comes often, so that tests need not wait for long.
pub const SETTINGS: &str = "[server]\nlive_alive = \"200ms\"\n";
/// What counts as silence then; a loaded machine may be slow.
pub const PATIENCE: &str = "3s";

/// A relay that may be ended and started again, at the same URL.
pub struct Place {
    pub folder: Folder,
    relay: Option<Live>,
    pub proxy: Proxy,
    pub key: String,
}

fn address(url: &str) -> std::net::SocketAddr {
    url.trim_start_matches("http://").parse().unwrap()
}

impl Place {
    pub fn start() -> Place {
        let folder = Folder::new();
        folder.write("relay.toml", SETTINGS);
        let relay = Live::start(&folder);
        let proxy = Proxy::to(address(&relay.url));
        let key = relay.key.clone();
        Place { folder, relay: Some(relay), proxy, key }
    }

    /// The same with a source that verifies nothing.
    pub fn with_source(uid: &str) -> Place {
        let place = Place::start();
        place.source(uid);
        place
    }

    pub fn relay(&self) -> &Live {
        self.relay.as_ref().unwrap()
    }

    /// Ends it in order and starts it again.
    pub fn restart(&mut self) {
        self.relay.take().unwrap().stop();
        self.begin();
    }

    /// As a crash does.
    pub fn kill(&mut self) {
        self.relay.take().unwrap().kill();
        self.begin();
    }

    fn begin(&mut self) {
        let relay = Live::start(&self.folder);
        self.proxy.lead_to(address(&relay.url));
        self.relay = Some(relay);
    }

    pub fn source(&self, uid: &str) {
        let body = json!({"name": uid, "uid": uid, "type": "generic-webhook", "dedup": "off"});
        let (status, made) = self.relay().call("POST", "/api/v1/source", Some(&body.to_string()));
        assert_eq!(status, 201, "{made}");
    }

    /// A provider's request to the source.
    pub fn post(&self, uid: &str, body: &[u8], headers: &[(&str, &str)]) {
        let (_, source) = self.relay().call("GET", &format!("/api/v1/source/{uid}"), None);
        let url = source["ingestUrl"].as_str().unwrap();
        let path = url.splitn(4, '/').last().unwrap();
        self.post_to(&format!("{}/{path}", self.relay().url), body, headers);
    }

    pub fn post_to(&self, url: &str, body: &[u8], headers: &[(&str, &str)]) {
        let mut request = ureq::http::Request::post(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let response = config.build().new_agent().run(request.body(body).unwrap()).unwrap();
        assert_eq!(response.status().as_u16(), 200);
    }

    /// Requests with these numbers as their bodies.
    pub fn send(&self, uid: &str, numbers: std::ops::Range<usize>) {
        numbers.for_each(|number| self.post(uid, number.to_string().as_bytes(), &[]));
    }

    /// A listener through the proxy.
    pub fn listen(&self, arguments: &[&str]) -> Listener {
        self.begin_listener(&self.folder, arguments)
    }

    /// The same on another machine, as it were.
    pub fn begin_listener(&self, folder: &Folder, arguments: &[&str]) -> Listener {
        let url = self.proxy.url();
        let place = ["--server", &url, "--token", &self.key, "--alive-timeout", PATIENCE];
        let all = [&["listen", "--json"][..], arguments, &place].concat();
        Listener::start(folder.command(&all))
    }

    pub fn listener_position(&self, name: &str) -> Option<String> {
        let (_, held) = self.relay().call("GET", &format!("/api/v1/listener/{name}"), None);
        held["position"].as_str().map(str::to_owned)
    }
}

pub fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}
