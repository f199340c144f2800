//! As much of the API as the faults need, spoken over plain HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// An answer: status and body, or that none came.
pub type Answer = Result<(u16, Value), ureq::Error>;

/// Speaks to one relay; clones share its connections.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    authorization: String,
}

impl Client {
    pub fn new(address: &str, key: &str) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .max_idle_connections_per_host(128)
            .proxy(None)
            .build();
        Client {
            agent: config.into(),
            base: format!("http://{address}"),
            authorization: format!("Bearer {key}"),
        }
    }

    /// Where it speaks to, as `host:port`.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// The operator's key.
    pub fn key(&self) -> &str {
        self.authorization.trim_start_matches("Bearer ")
    }

    /// Whether a new connection is taken.
    pub fn accepts_connections(&self) -> bool {
        std::net::TcpStream::connect(self.address()).is_ok()
    }

    pub fn get(&self, path: &str) -> Answer {
        let request = self.agent.get(format!("{}{path}", self.base));
        read(request.header("authorization", &self.authorization).call()?)
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header("authorization", &self.authorization);
        read(request.header("content-type", "application/json").send(body)?)
    }

    pub fn patch(&self, path: &str, body: &str) -> Answer {
        let request = self.agent.patch(format!("{}{path}", self.base));
        let request = request.header("authorization", &self.authorization);
        read(request.header("content-type", "application/json").send(body)?)
    }

    pub fn delete(&self, path: &str) -> Answer {
        let request = self.agent.delete(format!("{}{path}", self.base));
        read(request.header("authorization", &self.authorization).call()?)
    }

    /// A provider's post; its status, or that no answer came.
    pub fn provide(
        &self,
        path: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<u16, ureq::Error> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let request = request.header("content-type", "application/json");
        Ok(request.send(body)?.status().as_u16())
    }

    /// A post under an `Idempotency-Key`.
    pub fn post_once(&self, path: &str, key: &str, body: &str) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header("authorization", &self.authorization);
        let request = request.header("idempotency-key", key);
        read(request.header("content-type", "application/json").send(body)?)
    }

    /// An application with endpoints at these URLs.
    pub fn make_application(&self, uid: &str, urls: &[String]) {
        let body = json!({"name": uid, "uid": uid}).to_string();
        let (status, answer) = self.post("/api/v1/app", &body).unwrap();
        assert_eq!(status, 201, "{answer}");
        for (number, url) in urls.iter().enumerate() {
            let body = json!({"url": url, "uid": format!("{uid}-{number}")}).to_string();
            let path = format!("/api/v1/app/{uid}/endpoint");
            let (status, answer) = self.post(&path, &body).unwrap();
            assert_eq!(status, 201, "{answer}");
        }
    }

    /// Sends one message whose payload says its number and has `fill` bytes more.
    pub fn send(&self, application: &str, number: u64, fill: usize) -> Answer {
        let payload = payload(number, fill);
        let body = format!("{{\"eventType\":\"load.test\",\"payload\":{payload}}}");
        self.post(&format!("/api/v1/app/{application}/msg"), &body)
    }

    /// Every message newest first, until one of `until` was seen or the list ends: payload by id.
    pub fn messages(&self, application: &str, until: Option<&str>) -> BTreeMap<String, Value> {
        let (mut found, mut iterator) = (BTreeMap::new(), String::new());
        loop {
            let path =
                format!("/api/v1/app/{application}/msg?limit=100&with_content=true{iterator}");
            let (status, page) = self.get(&path).unwrap();
            assert_eq!(status, 200, "{page}");
            for message in page["data"].as_array().unwrap() {
                let id = message["id"].as_str().unwrap().to_owned();
                found.insert(id, message["payload"].clone());
            }
            let reached = until.is_some_and(|until| found.contains_key(until));
            if reached || page["done"] == json!(true) {
                return found;
            }
            iterator = format!("&iterator={}", page["iterator"].as_str().unwrap());
        }
    }

    /// The relay's own account: it holds at any moment. Deliveries, and how many are delivered.
    pub fn account(&self) -> (u64, u64) {
        let [deliveries, delivered] = self.counted(["deliveries", "delivered"]);
        (deliveries, delivered)
    }

    /// Deliveries that have not ended.
    pub fn waiting(&self) -> u64 {
        self.counted(["waiting", "retrying"]).iter().sum()
    }

    /// A figure of `/metrics`, without what stands behind its point.
    pub fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics").unwrap();
        let text = text.as_str().unwrap();
        let value = |line: &str| line.strip_prefix(name)?.trim().parse::<f64>().ok();
        text.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {text}")) as u64
    }

    fn counted<const N: usize>(&self, names: [&str; N]) -> [u64; N] {
        let (status, account) = self.get("/api/v1/stats/accounting").unwrap();
        assert_eq!((status, &account["holds"]), (200, &json!(true)), "{account}");
        names.map(|name| account[name].as_u64().unwrap())
    }
}

/// What a message of this number and size carries.
pub fn payload(number: u64, fill: usize) -> String {
    format!("{{\"number\":{number},\"fill\":\"{}\"}}", "x".repeat(fill))
}

/// Whether a payload that came back is the one that was sent.
pub fn is_whole(payload: &Value, number: u64, fill: usize) -> bool {
    payload["number"].as_u64() == Some(number)
        && payload["fill"]
            .as_str()
            .is_some_and(|text| text.len() == fill && text.bytes().all(|byte| byte == b'x'))
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(256 << 20).read_to_string()?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}
