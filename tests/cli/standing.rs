//! A relay that delivers, as its figures show it: over restarts, and in `relay top`.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Folder, ScriptedRelay};

/// Long enough for a loaded machine, never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
const CONFIG: &str = "[guard]\nallow = [\"127.0.0.0/8\"]\n[delivery]\npark_after = 1\n\
                      retry_schedule = [\"1h\"]\n";
const BOOKS: &str = "/api/v1/app/default/endpoint/books";

fn get(relay: &Live, path: &str) -> Value {
    let (status, answer) = relay.call("GET", path, None);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

/// Asks until the answer is so; each question takes the relay some time.
fn until(relay: &Live, path: &str, is: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = get(relay, path);
        if is(&answer) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{path} stays {answer}");
    }
}

fn start(folder: &Folder, receiver: &ScriptedRelay) -> Live {
    folder.write("relay.toml", CONFIG);
    let relay = Live::start(folder);
    relay.call("PUT", "/api/v1/app/default", Some(r#"{"name":"d","uid":"default"}"#));
    let body = json!({"url": format!("{}/hook", receiver.url), "uid": "books"}).to_string();
    let (status, answer) = relay.call("PUT", BOOKS, Some(&body));
    assert!(status == 200 || status == 201, "{answer}");
    relay
}

fn send(relay: &Live, count: usize) {
    for _ in 0..count {
        let body = r#"{"eventType":"a.b","payload":{}}"#;
        let (status, answer) = relay.call("POST", "/api/v1/app/default/msg", Some(body));
        assert_eq!(status, 202, "{answer}");
    }
}

fn delivered(relay: &Live, count: u64) -> Value {
    until(relay, "/api/v1/stats/history", |shown| shown["total"]["delivered"] == count)
}

/// Well; then it answers 500, is parked after the first, and tells so.
#[test]
fn an_endpoint_that_is_well_and_then_parked() {
    let folder = Folder::new();
    let receiver =
        ScriptedRelay::start(|_, before| (if before < 3 { 200 } else { 500 }, String::new()));
    let relay = start(&folder, &receiver);
    send(&relay, 3);
    let history = delivered(&relay, 3);
    assert!(history["total"]["latencyP99Ms"].is_u64(), "{history}");
    assert_eq!(
        (&history["total"]["accepted"], &history["total"]["failed"]),
        (&3.into(), &0.into())
    );
    let health = until(&relay, &format!("{BOOKS}/health"), |shown| shown["inFlight"] == 0);
    assert_eq!(health["status"], "healthy", "{health}");
    assert!(health["concurrency"].as_u64() >= Some(1), "{health}");
    assert!(health["lastSuccess"].is_string() && health["throttle"].is_null(), "{health}");
    send(&relay, 2);
    let health = until(&relay, &format!("{BOOKS}/health"), |shown| shown["status"] == "parked");
    assert_eq!(health["concurrency"], 1, "{health}");
    let words = health["words"].as_str().unwrap();
    assert!(words.starts_with("its deliveries are held since "), "{health}");
    let overview = until(&relay, "/api/v1/stats/overview", |shown| {
        shown["parkedEndpoints"] == 1 && shown["failingEndpoints"] == 1
    });
    assert_eq!((&overview["waiting"], &overview["accepting"]), (&2.into(), &true.into()));
    let listed = get(&relay, "/api/v1/stats/endpoints?status=parked");
    let first = &listed["data"][0];
    assert_eq!((&listed["total"], &first["endpointUid"]), (&1.into(), &"books".into()));
    assert_eq!(first["lastAttempt"]["statusCode"], 500);
    assert_eq!(first["waiting"], json!({"count": 2, "exact": true}));
    let attempts = until(&relay, &format!("{BOOKS}/attempt-history?period=day"), |shown| {
        shown["total"]["failed"].as_u64() >= Some(1)
    });
    assert_eq!((&attempts["total"]["delivered"], &attempts["complete"]), (&3.into(), &true.into()));
    relay.stop();
}

#[test]
fn every_thread_tells_of_itself() {
    let folder = Folder::new();
    let receiver = ScriptedRelay::start(|_, _| (200, String::new()));
    let relay = start(&folder, &receiver);
    send(&relay, 1);
    delivered(&relay, 1);
    let worker = |name: &str, is: &dyn Fn(&Value) -> bool| {
        let found = |shown: &Value| {
            let mut all = shown["data"].as_array().unwrap().iter();
            all.find(|worker| worker["name"] == name).cloned().unwrap_or_default()
        };
        found(&until(&relay, "/api/v1/workers", |shown| is(&found(shown))))
    };
    let ran = |worker: &Value| worker["runs"].as_u64() > Some(0) && worker["lastRun"].is_string();
    for name in ["writer", "apply", "scheduler", "janitor", "watchdog"] {
        let shown = worker(name, &ran);
        assert!(["waiting", "working"].contains(&shown["state"].as_str().unwrap()), "{shown}");
        assert!(shown["does"].as_str().is_some_and(|does| does.len() > 10), "{shown}");
        assert_eq!((&shown["threads"], &shown["lastError"]), (&1.into(), &Value::Null), "{shown}");
    }
    for name in ["scheduler-read", "tasks", "figures", "compactor", "key-fetch", "http", "send"] {
        let shown = worker(name, &|worker| !worker.is_null());
        assert!(["waiting", "working"].contains(&shown["state"].as_str().unwrap()), "{shown}");
    }
    let next = worker("figures", &|_| true);
    assert!(next["nextRun"].is_string() && next["lastRun"].is_null(), "{next}");
    assert!(worker("janitor", &ran)["nextRun"].is_string());
    relay.stop();
}

/// What was counted is there after a clean stop, to the last second; after kill -9 all that was
/// written before is.
#[test]
fn figures_outlive_the_process() {
    let folder = Folder::new();
    let receiver = ScriptedRelay::start(|_, _| (200, String::new()));
    let relay = start(&folder, &receiver);
    send(&relay, 5);
    delivered(&relay, 5);
    relay.stop();
    let relay = start(&folder, &receiver);
    let history = get(&relay, "/api/v1/stats/history");
    assert_eq!(
        (&history["total"]["accepted"], &history["total"]["delivered"]),
        (&5.into(), &5.into())
    );
    assert!(history["total"]["latencyP50Ms"].is_u64(), "{history}");
    assert_eq!(get(&relay, "/api/v1/stats/overview")["sinceStart"]["accepted"], 0);
    send(&relay, 2);
    delivered(&relay, 7);
    relay.kill();
    let relay = start(&folder, &receiver);
    let total = get(&relay, "/api/v1/stats/history")["total"].take();
    // The minute in which it was killed may have been over.
    assert!((5..=7).contains(&total["accepted"].as_u64().unwrap()), "{total}");
    relay.stop();
}

#[test]
fn the_configuration_and_where_it_comes_from() {
    let folder = Folder::new();
    folder.write("secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let endpoint = "[[endpoint]]\nuid = \"books\"\nurl = \"https://h.example/x?token=mine\"\n\
                    secret_file = \"secret\"\nheaders = { x-key = \"mine\" }\n";
    folder.write("relay.toml", format!("[log]\nlevel = \"info\"\n{endpoint}"));
    let mut relay = Live::start_with(&folder, &[("RELAY__DELIVERY__THREADS", "9")]);
    let shown = get(&relay, "/api/v1/config");
    assert_eq!(shown["config"]["delivery"]["threads"], 9);
    assert_eq!(
        shown["origins"]["delivery.threads"],
        json!({"variable": "RELAY__DELIVERY__THREADS"})
    );
    assert_eq!(shown["origins"]["server.listen"], json!({"flag": "--listen"}));
    assert_eq!(shown["origins"]["endpoint[0]"]["line"], 3);
    assert_eq!(shown["file"], "relay.toml");
    assert_eq!(shown["config"]["endpoint"][0]["url"], "https://h.example/x?(hidden)");
    let printed = folder.run(&["config", "print", "--json"]).expect(0, "", "");
    let printed: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(shown["config"]["endpoint"], printed["config"]["endpoint"], "one and the same");
    for secret in ["mine", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &relay.key] {
        assert!(!shown.to_string().contains(secret), "{secret} in {shown}");
    }
    let second = endpoint.replace("books", "more");
    let text = format!("# a line more\n[log]\nlevel = \"debug\"\n{endpoint}{second}");
    folder.write("relay.toml", text);
    relay.signal(Signal::HUP);
    relay.wait_for("reloaded");
    let shown = get(&relay, "/api/v1/config");
    assert_eq!(shown["config"]["log"]["level"], "debug");
    assert_eq!(shown["origins"]["log.level"]["line"], 3);
    assert_eq!(shown["config"]["endpoint"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["origins"]["endpoint[0]"]["line"], 4);
    assert_eq!(shown["config"]["delivery"]["threads"], 9, "as it was started");
    relay.stop();
}

#[test]
fn top_looks_once() {
    let folder = Folder::new();
    let receiver =
        ScriptedRelay::start(|_, before| (if before < 3 { 200 } else { 503 }, String::new()));
    let relay = start(&folder, &receiver);
    let (url, key) = (relay.url.clone(), relay.key.clone());
    let top = ["top", "--once", "--server", &url, "--token", &key];
    let told = folder.run(&top).expect(0, "every endpoint is well\n", "");
    assert!(!told.out.contains('\u{1b}'), "no colours where nobody sees them: {}", told.out);
    send(&relay, 3);
    delivered(&relay, 3);
    send(&relay, 1);
    until(&relay, "/api/v1/stats/overview", |shown| shown["parkedEndpoints"] == 1);
    let told = folder.run(&top).expect(0, "1 endpoint is in trouble\n", "");
    let lines: Vec<&str> = told.out.lines().collect();
    let version = env!("CARGO_PKG_VERSION");
    assert!(lines[0].starts_with(&format!("relay {version} at {}, up ", relay.url)), "{lines:#?}");
    assert!(lines[0].ends_with(": ready, accepting"), "{lines:#?}");
    assert!(lines[1].starts_with("1 waiting"), "{lines:#?}");
    assert!(lines[2].contains("1 endpoint (1 parked, 1 failing, 0 disabled)"), "{lines:#?}");
    assert_eq!(lines[4], "            a second  last minute   last hour");
    assert!(lines[5].starts_with("accepted           -"), "{lines:#?}");
    let hour = |line: &str| line.split_whitespace().nth(3).map(str::to_owned);
    assert_eq!((hour(lines[5]), hour(lines[7])), (Some("4".into()), Some("3".into())));
    assert!(lines[10].starts_with("took p50 / p99: "), "{lines:#?}");
    let last = lines[lines.len() - 1];
    assert!(last.starts_with("  parked "), "{lines:#?}");
    assert!(last.contains("answers 503") && last.contains("default/books"), "{lines:#?}");
    let json = folder.run(&[&top[..], &["--json"]].concat()).expect(0, "", "");
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["overview"]["parkedEndpoints"], &json["perSecond"]),
        (&1.into(), &Value::Null)
    );
    assert_eq!(json["endpoints"]["total"], 1);
    let wrong = ["top", "--once", "--server", &url, "--token", "sk_of_somebody_else"];
    folder.run(&wrong).expect(1, "", "answers 401");
    folder.run(&["top", "--interval", "1ms"]).expect(2, "", "must be 100ms at least");
    relay.stop();
    folder.run(&top).expect(69, "", "no answer from");
}

/// Again and again, with rates from the second look on, until it is told to end.
#[test]
fn top_goes_on_until_it_is_told_to_end() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = Folder::new();
    folder.write("relay.toml", "");
    let relay = Live::start(&folder);
    let arguments = ["top", "--json", "--interval", "100ms", "--server", &relay.url];
    let mut command = folder.command(&arguments);
    let mut child = command.env("RELAY_TOKEN", &relay.key).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut frame = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(frame()["perSecond"], Value::Null);
    let second = frame();
    assert_eq!(second["perSecond"]["accepted"], 0.0, "{second}");
    let child_id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(child_id, Signal::INT).unwrap();
    assert!(child.wait().unwrap().success());
    relay.stop();
}
