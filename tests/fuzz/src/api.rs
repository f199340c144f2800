//! Bodies of API calls and what providers send, over a relay that serves in this process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use relay::http::routes::{self, Route};

const KEY: &str = "fuzz-fuzz-fuzz-fuzz-fuzz-fuzz";
const PATIENCE: Duration = Duration::from_secs(20);

struct Serving {
    address: SocketAddr,
    routes: Vec<Route>,
    token: String,
}

static SERVING: LazyLock<Serving> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a temporary folder can be made").keep();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let config = format!(
        "[server]\nlisten = \"{address}\"\n[auth]\noperator_key = \"{KEY}\"\n\
         [data]\ndir = \"{}\"\n[log]\nlevel = \"error\"\n",
        folder.join("data").display()
    );
    let file = folder.join("relay.toml");
    std::fs::write(&file, config).expect("writable");
    let own = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, own).expect("it is ours");
    std::thread::spawn(move || {
        relay::cli::run(["relay".into(), "serve".into(), "--config".into(), file.into()])
    });
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "relay does not listen");
        std::thread::yield_now();
    }
    let mut routes = routes::all();
    routes.retain(|route| route.guarded);
    let mut serving = Serving { address, routes, token: String::new() };
    let endpoint = r#"{"uid":"e","url":"https://127.0.0.1:1/"}"#;
    serving.send("POST", "/api/v1/app", br#"{"name":"a","uid":"a"}"#);
    serving.send("POST", "/api/v1/app/a/endpoint", endpoint.as_bytes());
    let source = r#"{"name":"s","uid":"s","type":"none","application":"a"}"#;
    let source = source.replace("none", "generic-webhook");
    let made = serving.send("POST", "/api/v1/source", source.as_bytes());
    let token = made.split("/in/").nth(1).and_then(|rest| rest.split('"').next());
    serving.token = token.expect("the source has a URL").to_owned();
    serving
});

impl Serving {
    fn send(&self, method: &str, path: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("no zero");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Which call; its body. The last number but one is a provider's request.
pub fn call(data: &[u8]) {
    let Some((number, body)) = data.split_first() else { return };
    let serving = &*SERVING;
    let number = usize::from(*number);
    let answer = match serving.routes.get(number) {
        None => serving.send("POST", &format!("/in/{}", serving.token), body),
        Some(route) if route.method == "DELETE" => return,
        Some(route) => {
            let path = ["app", "endpoint", "source", "msg", "event_type", "task", "token"]
                .iter()
                .zip(["a", "e", "s", "m", "t", "x", "y"])
                .fold(route.path.clone(), |path, (name, value)| {
                    path.replace(&format!("{{{name}}}"), value)
                });
            serving.send(route.method.as_str(), &path, body)
        }
    };
    let status: u16 = answer.get(9..12).and_then(|text| text.parse().ok()).unwrap_or(0);
    assert!(status != 0 && status != 500, "{number}: {answer}");
}
