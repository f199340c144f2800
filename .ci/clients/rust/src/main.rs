//! Drives a relay with the Svix library for Rust: clients VERDICTS.

mod applications;
mod check;
mod endpoints;
mod event_types;
mod filters;
mod messages;
mod operational;
mod operator_calls;
mod receiver;
mod relay;
mod replays;
mod sources;

use std::process::ExitCode;

use check::{Failure, Verdicts};
use relay::Relay;

async fn every(verdicts: &mut Verdicts) -> Result<(), Failure> {
    let relay = Relay::start().await?;
    applications::all(&relay, verdicts).await;
    endpoints::all(&relay, verdicts).await;
    event_types::all(&relay, verdicts).await;
    messages::all(&relay, verdicts).await;
    filters::all(&relay, verdicts).await;
    replays::all(&relay, verdicts).await;
    operator_calls::all(&relay, verdicts).await;
    operational::all(&relay, verdicts).await;
    sources::all(&relay, verdicts).await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(into) = std::env::args().nth(1) else {
        eprintln!("usage: clients VERDICTS");
        return ExitCode::from(64);
    };
    let ended = async {
        let mut verdicts = Verdicts::read("docs/openapi.json")?;
        every(&mut verdicts).await?;
        verdicts.write(&into)
    };
    match ended.await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure:?}");
            ExitCode::FAILURE
        }
    }
}
