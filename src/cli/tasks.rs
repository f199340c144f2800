//! `relay tasks`: the background tasks of a running relay, and how far they are.

use std::io::{IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use anstyle::Style;
use clap::Subcommand;
use serde_json::Value;

use super::client::{Client, path_part};
use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, Cell, GOOD, OPEN, cell, plain, styled};
use super::token_remote::RemoteArguments;
use super::{Common, Outcome, pages};

const PATH: &str = "/api/v1/background-task";
/// The first wait between two looks; each is half as long again, up to the last.
const FIRST_WAIT: Duration = Duration::from_millis(40);
const LAST_WAIT: Duration = Duration::from_secs(2);
/// How often it is told how far a task is where nobody watches.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// To the begin of a line, with nothing on it.
const ANEW: &str = "\r\x1b[K";
/// In a narrow window a line that breaks would be drawn below itself each time.
const NO_BREAKS: &str = "\x1b[?7l";
const BREAKS: &str = "\x1b[?7h";
/// Characters of the bar that shows how far it is.
const BAR: usize = 30;

/// What `relay tasks` does.
#[derive(Subcommand, Debug)]
pub enum TasksCommand {
    /// List tasks, newest first
    List(ListArguments),
    /// Show a task and how far it is
    Show(ShowArguments),
    /// End a task that is running; what it has done stays
    Cancel(CancelArguments),
}

/// What `relay tasks list` takes.
#[derive(clap::Args, Debug)]
pub struct ListArguments {
    /// Those that stand so alone
    #[arg(long, value_parser = ["running", "finished", "failed", "cancelled"])]
    status: Option<String>,
    /// How many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay tasks show` takes.
#[derive(clap::Args, Debug)]
pub struct ShowArguments {
    /// The task's id, as `relay tasks list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// Wait until it has ended
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    at: RemoteArguments,
}

/// What `relay tasks cancel` takes.
#[derive(clap::Args, Debug)]
pub struct CancelArguments {
    /// The task's id, as `relay tasks list` shows it
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    at: RemoteArguments,
}

/// Does what is asked for.
pub(super) fn run(command: &TasksCommand, common: &Common) -> Outcome {
    match command {
        TasksCommand::List(arguments) => list(arguments, common),
        TasksCommand::Show(arguments) => {
            let client = arguments.at.client(common)?;
            if arguments.follow {
                return follow(&client, &arguments.id, common);
            }
            let task = client.get(&path(&arguments.id))?;
            show(&task, common)?;
            Ok(Exit::Success)
        }
        TasksCommand::Cancel(arguments) => {
            let path = format!("{}/cancel", path(&arguments.id));
            let task = arguments.at.client(common)?.post(&path, "{}")?;
            show(&task, common)?;
            Ok(Exit::Success)
        }
    }
}

fn path(id: &str) -> String {
    format!("{PATH}/{}", path_part(id))
}

fn list(arguments: &ListArguments, common: &Common) -> Outcome {
    let client = arguments.at.client(common)?;
    let query = arguments.status.as_ref().map(|status| format!("&status={status}"));
    let found = pages::list(&client, PATH, &query.unwrap_or_default(), arguments.limit)?;
    let row = |task: &Value| -> [Cell; 5] {
        let number = |field: &str| task["data"][field].as_u64().unwrap_or_default().to_string();
        [
            cell(text(task, "updatedAt")),
            (style(task), standing(task).to_owned()),
            cell(number("done")),
            cell(kind(task)),
            cell(text(task, "id")),
        ]
    };
    pages::show(&found, "task", ["UPDATED", "STATUS", "DONE", "TASK", "ID"], row, common)
}

/// Whether somebody sees how far a task is while it goes on.
pub(super) fn is_watched(common: &Common) -> bool {
    !common.json && std::io::stderr().is_terminal()
}

/// Waits for the end of a task and shows it: exit code 0 when it has done all, else 1.
pub(super) fn follow(client: &Client, id: &str, common: &Common) -> Outcome {
    watch(client, id, None, common)
}

/// The same with how much there is to do, as far as that is known: on a terminal the way there is
/// drawn over itself, anywhere else told in lines.
pub(super) fn watch(client: &Client, id: &str, total: Option<u64>, common: &Common) -> Outcome {
    wait(client, id, total, common).map(|task| exit(&task))
}

/// What a command ends with that has waited for the end of a task.
pub(super) fn exit(task: &Value) -> Exit {
    if task["status"] == "finished" { Exit::Success } else { Exit::Failed }
}

/// The same; gives the task as it ended.
pub(super) fn wait(
    client: &Client,
    id: &str,
    total: Option<u64>,
    common: &Common,
) -> Result<Value, Failure> {
    let mut wait = FIRST_WAIT;
    let mut way = Way { total, watched: is_watched(common), told: Instant::now() };
    // Ends with the task, or with whoever waits.
    loop {
        let task = client.get(&path(id))?;
        if task["status"] != "running" {
            way.clear();
            show(&task, common)?;
            return Ok(task);
        }
        if !common.json {
            way.tell(&task)?;
        }
        thread::sleep(wait);
        wait = (wait * 3 / 2).min(LAST_WAIT);
    }
}

/// How far a task is, told while it goes on.
struct Way {
    total: Option<u64>,
    watched: bool,
    told: Instant,
}

impl Way {
    fn tell(&mut self, task: &Value) -> Result<(), Failure> {
        let far = how_far(task);
        if self.watched {
            let done = task["data"]["done"].as_u64().unwrap_or_default();
            let bar = self.total.map(|total| bar(done, total)).unwrap_or_default();
            // Whoever has closed it sees nothing, and the task goes on.
            let line = format!("{ANEW}{NO_BREAKS}{bar}{far}{BREAKS}");
            let _ = std::io::stderr().write_all(line.as_bytes());
        } else if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            output::line(format!("{far} so far"))?;
        }
        Ok(())
    }

    fn clear(&self) {
        if self.watched {
            let _ = write!(std::io::stderr(), "{ANEW}");
        }
    }
}

/// `[######----] 60 % `; what came meanwhile may make it more than there was.
fn bar(done: u64, total: u64) -> String {
    let part = if total == 0 { 1.0 } else { done.min(total) as f64 / total as f64 };
    let filled = (part * BAR as f64) as usize;
    let percent = (part * 100.0) as u8;
    format!("[{}{}] {percent:>3} %  ", "#".repeat(filled), "-".repeat(BAR - filled))
}

fn show(task: &Value, common: &Common) -> Result<(), Failure> {
    if common.json {
        return output::json(task);
    }
    let data = &task["data"];
    let standing = styled(style(task), standing(task));
    let id = styled(ASIDE, text(task, "id"));
    output::line(format!("{} {standing} {id}", kind(task)))?;
    output::line(how_far(task))?;
    for (name, count) in data["counts"].as_object().into_iter().flatten() {
        output::line(format!("  {} {count}", plain(name)))?;
    }
    match data["error"].as_str() {
        Some(error) => output::line(plain(error)),
        None => Ok(()),
    }
}

fn text(task: &Value, field: &str) -> String {
    plain(task[field].as_str().unwrap_or_default())
}

/// How much it has done; what is put back is yet to be sent.
fn how_far(task: &Value) -> String {
    let number = |field: &str| task["data"][field].as_u64().unwrap_or_default();
    let (done, looked) = (number("done"), number("lookedAt"));
    match kind(task).as_str() {
        "endpoint.recover" | "dead-letter.resend" => {
            format!("put back to be sent: {done} of {looked} looked at")
        }
        _ => format!("{done} done of {looked} looked at"),
    }
}

/// What it does, by the most exact name there is.
fn kind(task: &Value) -> String {
    let exact = task["data"]["work"].as_str().map(plain);
    exact.unwrap_or_else(|| text(task, "task"))
}

fn standing(task: &Value) -> &str {
    let cancelled = task["data"]["cancelled"] == true;
    if cancelled { "cancelled" } else { task["status"].as_str().unwrap_or("unknown") }
}

fn style(task: &Value) -> Style {
    match standing(task) {
        "finished" => GOOD,
        "failed" => BAD,
        _ => OPEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        let check = |done: u64, total: u64, filled: usize, percent: &str| {
            let bar = bar(done, total);
            assert_eq!(bar.matches('#').count(), filled, "{bar}");
            assert_eq!(bar.matches('-').count(), 30 - filled, "{bar}");
            assert!(bar.ends_with(&format!("] {percent} %  ")), "{bar}");
        };
        check(0, 10, 0, "  0");
        check(5, 10, 15, " 50");
        check(10, 10, 30, "100");
        check(12, 10, 30, "100");
        check(0, 0, 30, "100");
        check(u64::MAX, u64::MAX, 30, "100");
    }
}
