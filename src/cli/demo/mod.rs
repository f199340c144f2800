//! `relay demo`: a relay on a temporary folder, a receiver beside it, five messages.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::oneshot;

use super::client::Client;
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, styled};
use super::serve::Relay;
use super::stage::until_stopped;
use super::token::random;
use super::{Common, Outcome, stage};
use crate::config::Config;
use crate::config::load::Loaded;
use crate::config::secrets::Secrets;
use crate::config::units::{AllowedNetwork, Size, Span};
use crate::domain::secret::{Secret, write_operator_key};
use crate::domain::signature::SigningKey;

mod receiver;
mod story;

use receiver::Receiver;
use story::Story;

/// Delays after the first and the second failed attempt: real ones are minutes and hours.
const RETRIES: [Duration; 3] =
    [Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(800)];
const LARGEST_BODY: u64 = 64 << 10;
const SEGMENT: u64 = 4 << 20;

/// Tells it as it happens; exit code 0 when all was delivered.
pub(super) fn run(common: &Common) -> Outcome {
    let folder = stage::folder("relay-demo-")?;
    let key = SigningKey::hmac(&random::<24>()?);
    let operator_key = write_operator_key(&random::<32>()?);
    let receiver = Receiver::new(key.verifying());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let hook = listener.local_addr()?;
    let config = config(folder.path(), hook);
    let mut secrets = Secrets::default();
    secrets.operator_key = Some(Secret::new(operator_key.clone().into_bytes()));
    let relay = Relay::start(Loaded { config, secrets, file: None, origins: Default::default() })?;
    let base = format!("http://{}", relay.address());
    let shown = folder.path().display().to_string();
    let client = Client::at(base.clone(), operator_key);
    let told = thread::scope(|scope| {
        let (stop_receiver, stopped) = oneshot::channel();
        let serving = receiver.clone();
        let receiving = scope.spawn(move || serving.serve(listener, stopped));
        let (stop_relay, stopped) = oneshot::channel();
        let relaying = scope.spawn(move || relay.answer(until_stopped(stopped))?.stop());
        let told = opening(common, &base, hook, &shown).and_then(|()| {
            let story = Story::new(&client, &receiver, common.json, || relaying.is_finished());
            story.tell(&format!("http://{hook}/hook"), &key)
        });
        // Both may have ended by themselves.
        let _ = (stop_relay.send(()), stop_receiver.send(()));
        let panicked = |_| Failure::failed(anyhow!("a part of the demo panicked"));
        relaying.join().map_err(panicked)??;
        receiving.join().map_err(panicked)??;
        told
    })?;
    folder.close().with_context(|| format!("can't remove {shown}")).map_err(Failure::failed)?;
    if !common.json {
        output::line(styled(ASIDE, "the folder is gone again; your own: relay serve"))?;
    }
    Ok(told)
}

fn config(folder: &std::path::Path, hook: SocketAddr) -> Config {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.server.workers = 1;
    config.server.drain = Span(Duration::from_secs(2));
    config.data.dir = folder.to_owned();
    config.data.min_free = Size(0);
    config.data.segment_size = Size(SEGMENT);
    config.intake.max_body = Size(LARGEST_BODY);
    config.delivery.retry_schedule = RETRIES.map(Span).to_vec();
    config.delivery.threads = 8;
    // Addresses of this machine are closed to deliveries otherwise.
    config.guard.allow =
        vec![AllowedNetwork { network: hook.ip().into(), port: Some(hook.port()) }];
    config
}

fn opening(common: &Common, base: &str, hook: SocketAddr, folder: &str) -> Result<(), Failure> {
    if common.json {
        let receiver = format!("http://{hook}/hook");
        return output::json(&serde_json::json!({
            "event": "started", "relay": base, "receiver": receiver, "data_dir": folder,
        }));
    }
    output::line(format!("relay     {base}, its data in {folder}"))?;
    output::line(format!("receiver  http://{hook}/hook, verifies every signature"))?;
    output::line("")
}

/// What a demo that was not seen to its end says.
fn cut_short() -> Failure {
    Failure::new(Exit::Failed, anyhow!("the demo was stopped before its end"))
}
