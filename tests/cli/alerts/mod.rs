//! Alerts: each condition is told once when it begins and once when it is over, to whom it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::Value;

use crate::live::Live;
use crate::support::{Asked, Folder, ScriptedRelay};

mod conditions;
mod mail;
mod telling;

/// Long enough for a loaded machine, never waited for when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
const ENDPOINT: &str = "/api/v1/app/default/endpoint/books";

/// An endpoint at `/hook` and whom alerts are posted to at `/alert`, each answering as it is told.
struct World {
    folder: Folder,
    receiver: ScriptedRelay,
    hook: Arc<AtomicU16>,
    chat: Arc<AtomicU16>,
    /// Alerts that were taken, in their order.
    taken: Receiver<Value>,
}

impl World {
    fn new() -> World {
        let [hook, chat] = [200, 200].map(|status| Arc::new(AtomicU16::new(status)));
        let (sender, taken) = mpsc::channel();
        let statuses = [Arc::clone(&hook), Arc::clone(&chat)];
        let receiver = ScriptedRelay::start(move |asked: &Asked, _| {
            let alert = asked.line == "POST /alert";
            let status = statuses[usize::from(alert)].load(Ordering::SeqCst);
            if alert && status == 200 {
                sender.send(serde_json::from_str(&asked.body).unwrap()).unwrap();
            }
            (status, "said".to_owned())
        });
        World { folder: Folder::new(), receiver, hook, chat, taken }
    }

    /// A relay with an alert of these lines, and what else stands in its file.
    fn start(&self, alert: &str, rest: &str) -> Live {
        let url = &self.receiver.url;
        let alert = format!("[[alert]]\nname = \"ops\"\nurl = \"{url}/alert\"\n{alert}\n");
        self.start_with(&format!("{rest}\n{alert}"))
    }

    fn start_with(&self, text: &str) -> Live {
        let common = "[guard]\nallow = [\"127.0.0.0/8\"]\n[alerts]\nlook_every = \"100ms\"\n\
                      retry_first = \"100ms\"\nretry_most = \"300ms\"\n";
        self.folder.write("relay.toml", format!("{common}{text}"));
        Live::start(&self.folder)
    }

    fn hook_answers(&self, status: u16) {
        self.hook.store(status, Ordering::SeqCst);
    }

    fn chat_answers(&self, status: u16) {
        self.chat.store(status, Ordering::SeqCst);
    }

    /// Makes the endpoint of this uid.
    fn endpoint(&self, relay: &Live, uid: &str) {
        let url = format!("{}/hook", self.receiver.url);
        relay.call("PUT", "/api/v1/app/default", Some(r#"{"name":"d","uid":"default"}"#));
        let body = serde_json::json!({ "url": url, "uid": uid });
        let path = "/api/v1/app/default/endpoint";
        let (status, answer) = relay.call("POST", path, Some(&body.to_string()));
        assert_eq!(status, 201, "{answer}");
    }

    /// The next alert that was taken.
    #[track_caller]
    fn next(&self) -> Value {
        self.taken.recv_timeout(PATIENCE).expect("an alert")
    }

    /// The next alert is of this condition and state.
    #[track_caller]
    fn expect(&self, condition: &str, state: &str) -> Value {
        let next = self.next();
        assert_eq!(
            (&next["condition"], &next["state"]),
            (&condition.into(), &state.into()),
            "{next}"
        );
        assert_eq!(next["alert"], "ops", "{next}");
        next
    }

    /// Stops the relay: nothing else was told.
    #[track_caller]
    fn end(&self, relay: Live) {
        relay.stop();
        assert_eq!(self.taken.try_recv().ok(), None);
    }
}

fn send(relay: &Live) {
    let body = r#"{"eventType":"a.b","payload":{}}"#;
    let (status, answer) = relay.call("POST", "/api/v1/app/default/msg", Some(body));
    assert_eq!(status, 202, "{answer}");
}

/// Waits until the relay has looked and sees so many troubles.
fn sees(relay: &Live, troubles: u32) {
    let line = format!("\nrelay_alerts_firing {troubles}\n");
    let config = ureq::Agent::config_builder().proxy(None).build();
    let agent = config.new_agent();
    loop {
        let mut answer = agent.get(format!("{}/metrics", relay.url)).call().unwrap();
        if answer.body_mut().read_to_string().unwrap().contains(&line) {
            return;
        }
        std::thread::yield_now();
    }
}
