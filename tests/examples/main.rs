//! Runs every program of `examples/` as a user would: receivers against signed, forged and repeated
//! requests, then each sender through a live relay to every receiver.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use relay::domain::signature::{SigningKey, sign};

mod program;

use program::{Program, exists, run};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY: &[u8] = br#"{"type":"invoice.paid","data":{"invoice":1042}}"#;

/// Sender and receiver of one language.
struct Pair {
    language: &'static str,
    /// What runs them; the programs themselves when empty.
    interpreter: &'static str,
    send: PathBuf,
    receive: PathBuf,
}

impl Pair {
    fn command(&self, program: &PathBuf) -> Command {
        if self.interpreter.is_empty() {
            return Command::new(program);
        }
        let mut command = Command::new(self.interpreter);
        command.arg(program);
        command
    }

    fn receiver(&self) -> Program {
        let mut command = self.command(&self.receive);
        Program::start(self.language, command.env("RELAY_SECRET", SECRET).env("PORT", "0"))
    }
}

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// The pairs whose interpreter this machine has; the others are named as skipped.
fn pairs() -> Vec<Pair> {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_relay")).with_file_name("examples");
    let rust = Pair {
        language: "rust",
        interpreter: "",
        send: built.join("send"),
        receive: built.join("receive"),
    };
    assert!(rust.receive.exists(), "run `cargo build --examples` first, as `cargo test` does");
    let scripts = [("python", "python3", "py"), ("node", "node", "mjs")];
    let scripts = scripts.map(|(language, interpreter, extension)| Pair {
        language,
        interpreter,
        send: examples().join(language).join("send").with_extension(extension),
        receive: examples().join(language).join("receive").with_extension(extension),
    });
    let present = scripts.into_iter().filter(|pair| {
        let present = exists(pair.interpreter);
        if !present {
            println!("SKIPPED {}: no {} on this machine", pair.language, pair.interpreter);
        }
        present
    });
    std::iter::once(rust).chain(present).collect()
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs()
}

fn signature(id: &str, timestamp: u64, body: &[u8]) -> String {
    sign(&[SigningKey::parse(SECRET).expect("a key of 24 bytes")], id, timestamp, body)
}

/// Posts what relay would post; the status that came back.
fn post(url: &str, id: &str, timestamp: u64, signature: &str) -> u16 {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let request = ureq::Agent::from(config)
        .post(url)
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signature);
    request.send(BODY).expect("the receiver answers").status().as_u16()
}

#[test]
fn receivers_verify_and_handle_once() {
    for pair in pairs() {
        let mut receiver = pair.receiver();
        let url = receiver.url();
        let now = seconds();
        let good = signature("msg_1", now, BODY);
        let check = |id: &str, timestamp: u64, signature: &str, expected: u16| {
            let status = post(&url, id, timestamp, signature);
            assert_eq!(status, expected, "{}: {id} {timestamp} {signature}", pair.language);
        };
        check("msg_1", now, &good, 204);
        receiver.line_with("received msg_1 ");
        check("msg_1", now, &good, 204);
        receiver.line_with("duplicate msg_1");
        let rotated = format!("v1,AAAA v2,{good} {}", signature("msg_2", now, BODY));
        check("msg_2", now, &rotated, 204);
        receiver.line_with("received msg_2 ");
        check("msg_3", now, &good, 401);
        check("msg_1", now, "v1,", 401);
        check("msg_1", now, "", 401);
        check("msg_1", now, &good[..12], 401);
        check("msg_1", now, &signature("msg_1", now, b"other"), 401);
        for wrong in [now - 400, now + 400] {
            check("msg_4", wrong, &signature("msg_4", wrong, BODY), 401);
        }
    }
}

#[test]
fn the_shell_verifies_by_hand() {
    let check = |timestamp: u64, signature: &str, good: bool| {
        let mut command = Command::new("sh");
        command.arg(examples().join("curl/verify.sh")).env("RELAY_SECRET", SECRET);
        command.args(["msg_1", &timestamp.to_string(), signature]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("sh runs");
        // a script that refuses early does not read its input
        let _ = child.stdin.take().expect("a pipe").write_all(BODY);
        let status = child.wait().expect("it ends");
        assert_eq!(status.success(), good, "{timestamp} {signature}");
    };
    if !exists("curl") || Command::new("openssl").arg("version").output().is_err() {
        println!("SKIPPED curl: no curl or no openssl on this machine");
        return;
    }
    let now = seconds();
    check(now, &signature("msg_1", now, BODY), true);
    check(now, &format!("v2,AAAA {}", signature("msg_1", now, BODY)), true);
    check(now, &signature("msg_2", now, BODY), false);
    check(now, "v1,", false);
    check(now - 400, &signature("msg_1", now - 400, BODY), false);
}

/// A relay on a folder of its own that delivers to every receiver.
fn relay(folder: &tempfile::TempDir, receivers: &mut [(&'static str, Program)]) -> Program {
    let mut config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n\
         [data]\ndir = \"{}\"\n\
         [guard]\nallow = [\"127.0.0.1/32\"]\n\
         [log]\nformat = \"text\"\n",
        folder.path().join("data").display()
    );
    for (language, receiver) in receivers {
        config.push_str(&format!(
            "[[endpoint]]\nuid = \"{language}\"\nurl = \"{}/\"\n\
             secret = \"{SECRET}\"\nevent_types = [\"invoice.*\"]\n",
            receiver.url()
        ));
    }
    let file = folder.path().join("relay.toml");
    fs::write(&file, config).expect("the folder takes a file");
    // it holds secrets, and relay refuses those that others may read
    fs::set_permissions(&file, Permissions::from_mode(0o600)).expect("it is ours");
    let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
    Program::start("relay", command.args(["serve", "--config"]).arg(file).env("NO_COLOR", "1"))
}

/// Asks until the relay is ready; each question is a process, which is pause enough.
fn await_health(url: &str) {
    let healthy = (0..1_000).any(|_| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_relay"));
        let output = command.args(["health", "--server", url]).output().expect("relay runs");
        output.status.success()
    });
    assert!(healthy, "the relay at {url} never became ready");
}

#[test]
fn senders_reach_receivers_through_relay() {
    let pairs = pairs();
    let mut receivers: Vec<(&'static str, Program)> =
        pairs.iter().map(|pair| (pair.language, pair.receiver())).collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut relay = relay(&folder, &mut receivers);
    let url = relay.url();
    await_health(&url);
    let token = fs::read_to_string(folder.path().join("data/operator_key"))
        .expect("relay makes a key on its first start");

    let mut senders: Vec<(&str, Command)> =
        pairs.iter().map(|pair| (pair.language, pair.command(&pair.send))).collect();
    if exists("curl") {
        let mut shell = Command::new("sh");
        shell.arg(examples().join("curl/send.sh"));
        senders.push(("curl", shell));
    }
    for (invoice, (language, command)) in (1..).zip(&mut senders) {
        let invoice = invoice.to_string();
        command.arg(&invoice).env("RELAY_SERVER", &url).env("RELAY_TOKEN", token.trim());
        let accepted = run(language, command);
        assert_eq!(
            run(language, command),
            accepted,
            "{language}: a second try is the same message"
        );
        let id = accepted.trim().strip_prefix("accepted ").unwrap_or_default();
        assert!(id.starts_with("msg_"), "{language}: {accepted}");
        for (receiver, program) in &mut receivers {
            let line = program.line_with(&format!("received {id} "));
            let data = format!(r#""invoice":{invoice}"#);
            assert!(line.replace(' ', "").contains(&data), "{language} to {receiver}: {line}");
        }
    }
}
