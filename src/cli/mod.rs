//! The commands of the binary: each reads its arguments, does its work and gives an exit code.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config::load::{FlagValue, LoadOptions, Loaded, load};
use crate::engine::script::serve_scripts;

mod again;
mod alerts;
mod applications;
mod audit;
mod bench;
mod caller;
mod certificate;
mod check;
mod chosen;
mod client;
mod config_print;
mod dead_letters;
mod demo;
mod dry_run;
mod endpoints;
mod event_types;
mod explain;
mod export;
pub mod failure;
mod follow;
mod health;
mod import;
mod import_svix;
mod keys;
mod listen;
mod localhost;
mod man;
mod messages;
mod missing;
mod output;
mod owner;
mod pages;
mod plan;
mod portal_link;
mod refusal;
mod repair;
mod sealing_key;
mod send;
mod serve;
mod sign;
mod sign_in_link;
mod signed_request;
mod source;
mod stage;
mod standing;
mod stats;
mod stream;
mod tail;
mod tasks;
mod token;
mod token_remote;
mod top;
mod transfer;
mod transform;
mod trigger;
mod verify;
mod verify_provider;
mod when;

use failure::{Exit, Failure};

/// Receives webhooks and sends them: one binary, one folder, nothing acknowledged is lost.
#[derive(Parser, Debug)]
#[command(name = "relay", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(clap::Args, Clone, Debug)]
struct Common {
    /// The configuration; else $RELAY_CONFIG, ./relay.toml, /etc/relay/relay.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    /// Whether to colour what is printed
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Colour,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve: receive, keep, deliver
    Serve(serve::ServeArguments),
    /// See it work: a relay and a receiver of its own, five messages, nothing left behind
    Demo,
    /// Measure relay on this machine, with a load and a receiver of its own
    Bench(bench::BenchArguments),
    /// Check the configuration, tell every problem in it, and what a running relay would change
    Check(check::CheckArguments),
    /// Show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Send a message to a relay and print its deliveries as they end
    Send(send::SendArguments),
    /// List messages and find them, and show all that became of one
    #[command(subcommand)]
    Messages(messages::MessagesCommand),
    /// Send a message once more, now, to one endpoint or to each that does not have it
    Resend(again::ResendArguments),
    /// Put everything back that an endpoint was not delivered since a time
    Recover(again::RecoverArguments),
    /// Send an endpoint what it wants and never had, of what was accepted since a time
    ReplayMissing(again::ReplayArguments),
    /// List, make, change, try and delete the URLs that messages go to
    #[command(subcommand)]
    Endpoints(endpoints::EndpointsCommand),
    /// List, make and delete applications, the tenants of a relay
    #[command(subcommand)]
    Applications(applications::ApplicationsCommand),
    /// List, make and delete event types, the catalogue of what can happen
    #[command(subcommand)]
    EventTypes(event_types::EventTypesCommand),
    /// Check the data folder of a stopped relay, and mend it when asked to
    Repair(repair::RepairArguments),
    /// Count the deliveries of a running relay and whether each has its place
    Stats(stats::StatsArguments),
    /// Watch a running relay: rates, what waits, how long it takes, which endpoints are in trouble
    Top(top::TopArguments),
    /// List what is not tried again by itself, put it back or give it up
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// List, show and cancel background tasks
    #[command(subcommand)]
    Tasks(tasks::TasksCommand),
    /// Write the applications, endpoints and event types of a running relay as one document
    Export(export::ExportArguments),
    /// Read such a document into a running relay: creates, updates, deletes nothing
    Import(import::ImportArguments),
    /// Take over applications, endpoints and event types from a server of the Svix API
    ImportSvix(import_svix::ImportSvixArguments),
    /// Make the URLs that providers post to, and look at what came there
    #[command(subcommand)]
    Source(source::SourceCommand),
    /// Print a line for each message as it is accepted
    Tail(Box<tail::TailArguments>),
    /// Forward what comes to sources, or what endpoints would be sent, to this machine
    Listen(Box<listen::ListenArguments>),
    /// Send a source a sample event as its provider would, signed, and tell what came of it
    Trigger(Box<trigger::TriggerArguments>),
    /// Check a transform, and run it on an event without sending anything
    #[command(subcommand)]
    Transform(transform::TransformCommand),
    /// Try a filter, a transformation or a dedup rule on what is stored; nothing is changed or sent
    DryRun(Box<dry_run::DryRunArguments>),
    /// Try whom the relay tells when something is wrong
    #[command(subcommand)]
    Alerts(alerts::AlertsCommand),
    /// Sign a body as Standard Webhooks ask for, offline
    Sign(sign::SignArguments),
    /// Verify a signed request, offline, and say what is wrong with it
    Verify(verify::VerifyArguments),
    /// Make, list and revoke the keys that callers of the API need
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Make a link with which somebody gets a key of their own and signs in
    SignInLink(sign_in_link::SignInLinkArguments),
    /// Make a link with which a customer looks after the endpoints of its application
    PortalLink(portal_link::PortalLinkArguments),
    /// Tell who changed what in a running relay, and who signed in
    Audit(audit::AuditArguments),
    /// Tell which keys seal the secrets on disk, and have another one seal them
    #[command(subcommand)]
    SealingKey(sealing_key::SealingKeyCommand),
    /// Ask a relay whether it lives and is ready
    Health(health::HealthArguments),
    /// Run the scripts of transforms that standard input asks for, as relay has a process do
    #[command(hide = true)]
    RunScripts,
    /// Print the script that completes commands in a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, or write one for each command
    Man(man::ManArguments),
}

#[derive(Subcommand, Debug)]
enum ConfigCommand {
    /// Print the configuration in effect and where each value comes from, without secrets
    Print,
}

/// What a command ends with.
type Outcome = Result<Exit, Failure>;

/// Runs the command that the arguments name, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help that nobody reads to its end is no failure.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage.code()));
        }
    };
    match cli.common.color {
        Colour::Auto => {}
        Colour::Always => anstream::ColorChoice::Always.write_global(),
        Colour::Never => anstream::ColorChoice::Never.write_global(),
    }
    let outcome = dispatch(&cli);
    outcome.unwrap_or_else(|failure| failure.report(cli.common.json)).into()
}

fn dispatch(cli: &Cli) -> Outcome {
    let common = &cli.common;
    match &cli.command {
        Command::Serve(arguments) => serve::run(arguments, common),
        Command::Demo => demo::run(common),
        Command::Bench(arguments) => bench::run(arguments, common),
        Command::Check(arguments) => check::run(arguments, common),
        Command::Config(ConfigCommand::Print) => config_print::run(common),
        Command::Send(arguments) => send::run(arguments, common),
        Command::Messages(command) => messages::run(command, common),
        Command::Resend(arguments) => again::resend(arguments, common),
        Command::Recover(arguments) => again::recover(arguments, common),
        Command::ReplayMissing(arguments) => again::replay_missing(arguments, common),
        Command::Endpoints(command) => endpoints::run(command, common),
        Command::Applications(command) => applications::run(command, common),
        Command::EventTypes(command) => event_types::run(command, common),
        Command::Repair(arguments) => repair::run(arguments, common),
        Command::Stats(arguments) => stats::run(arguments, common),
        Command::Top(arguments) => top::run(arguments, common),
        Command::DeadLetters(command) => dead_letters::run(command, common),
        Command::Tasks(command) => tasks::run(command, common),
        Command::Export(arguments) => export::run(arguments, common),
        Command::Import(arguments) => import::run(arguments, common),
        Command::ImportSvix(arguments) => import_svix::run(arguments, common),
        Command::Source(command) => source::run(command, common),
        Command::Tail(arguments) => tail::run(arguments, common),
        Command::Listen(arguments) => listen::run(arguments, common),
        Command::Trigger(arguments) => trigger::run(arguments, common),
        Command::Transform(command) => transform::run(command, common),
        Command::DryRun(arguments) => dry_run::run(arguments, common),
        Command::Alerts(command) => alerts::run(command, common),
        Command::Sign(arguments) => sign::run(arguments, common),
        Command::Verify(arguments) => verify::run(arguments, common),
        Command::Token(command) => token::run(command, common),
        Command::SignInLink(arguments) => sign_in_link::run(arguments, common),
        Command::PortalLink(arguments) => portal_link::run(arguments, common),
        Command::Audit(arguments) => audit::run(arguments, common),
        Command::SealingKey(command) => sealing_key::run(command, common),
        Command::Health(arguments) => health::run(arguments, common),
        Command::RunScripts => run_scripts(),
        Command::Completions { shell } => completions(*shell),
        Command::Man(arguments) => man::run(arguments, common),
    }
}

impl Common {
    /// The configuration in effect; `flags` are settings that the command takes itself.
    fn load(&self, flags: Vec<FlagValue>) -> Result<Loaded, Failure> {
        Ok(load(&LoadOptions::from_process(self.config.clone(), flags))?)
    }
}

fn run_scripts() -> Outcome {
    serve_scripts()?;
    Ok(Exit::Success)
}

fn completions(shell: Shell) -> Outcome {
    // Into memory first: the generator panics when what it writes to fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "relay", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
