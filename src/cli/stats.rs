//! `relay stats`: how the deliveries of all kept messages stand, and whether none is missing.

use anyhow::anyhow;

use super::client::{Client, ServerArgument, TokenArgument};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, GOOD, styled};
use super::{Common, Outcome};

/// What `relay stats` takes.
#[derive(clap::Args, Debug)]
pub struct StatsArguments {
    #[command(flatten)]
    server: ServerArgument,
    #[command(flatten)]
    token: TokenArgument,
}

/// Asks a running relay: exit code 0 when every delivery has its place, else 1.
pub(super) fn run(arguments: &StatsArguments, common: &Common) -> Outcome {
    let client = Client::new(&arguments.server, &arguments.token, common)?.patient();
    let account = client.get("/api/v1/stats/accounting")?;
    let holds = account["holds"]
        .as_bool()
        .ok_or_else(|| Failure::failed(anyhow!("the relay's answer is no account: {account}")))?;
    let exit = if holds { Exit::Success } else { Exit::Failed };
    if common.json {
        output::json(&account)?;
        return Ok(exit);
    }
    let number = |name: &str| account[name].as_u64().unwrap_or_default();
    let row = |name: &str, indent: &str| {
        output::line(format!("{:<14}{:>12}", format!("{indent}{name}"), number(name)))
    };
    row("accepted", "")?;
    row("deliveries", "")?;
    for name in ["delivered", "dead", "cancelled", "waiting", "retrying"] {
        row(name, "  ")?;
    }
    output::line("")?;
    output::line(styled(
        ASIDE,
        "accepted x fan-out = delivered + dead + cancelled + waiting + retrying",
    ))?;
    let parts = ["delivered", "dead", "cancelled", "waiting", "retrying"].map(number);
    let sum: u64 = parts.iter().sum();
    let terms = parts.map(|part| part.to_string()).join(" + ");
    let deliveries = number("deliveries");
    if holds {
        output::line(format!("{deliveries} = {terms}  {}", styled(GOOD, "holds")))?;
        return Ok(exit);
    }
    let bad = styled(BAD, "does not hold");
    output::line(format!("{deliveries} is not {sum} = {terms}  {bad}"))?;
    output::line("the relay's log names the deliveries; stop it and run: relay repair")?;
    Ok(exit)
}
