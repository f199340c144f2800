//! `relay repair`: checks a data folder that no relay uses, and mends it when asked to.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::output::{self, ASIDE, BAD, GOOD, count, styled};
use super::serve::{self, keys::Keys};
use super::{Common, Outcome, owner};
use crate::config::load::{FlagValue, Loaded};
use crate::config::{Log, LogFormat};
use crate::engine::clock::EngineClock;
use crate::store::disk::RealDisk;
use crate::store::{
    self, CheckOptions, Content, Finding, INDEX_OPEN_THREAD, IndexState, LostBody, Opened, Options,
    Remedy, Report, Store,
};
use crate::telemetry;

/// What `relay repair` takes.
#[derive(clap::Args, Debug)]
pub struct RepairArguments {
    /// Confirm the machine's clock after it was found more than 24 h from the last known time
    #[arg(long)]
    accept_clock: bool,
    /// Give up the records and bodies that are damaged, say which, and keep all others
    #[arg(long)]
    accept_loss: bool,
    /// Remove the index and make it anew from the journal; loses nothing
    #[arg(long)]
    rebuild_index: bool,
    /// The data folder, instead of data.dir
    #[arg(long, value_name = "FOLDER")]
    data: Option<String>,
}

/// Checks: exit code 0 when all is sound, 1 when not. With a flag it mends: 0 when that was done.
/// 75 while a relay uses the folder.
pub(super) fn run(arguments: &RepairArguments, common: &Common) -> Outcome {
    let flag = |value| FlagValue { flag: "--data", setting: ("data", "dir"), value };
    let loaded = common.load(arguments.data.clone().map(flag).into_iter().collect())?;
    let log = Log { level: "warn".to_owned(), format: LogFormat::Auto };
    telemetry::start(&log).map_err(Failure::failed)?;
    let index_thread = INDEX_OPEN_THREAD;
    telemetry::end_on_panic(telemetry::Spared { index_thread, request_source: None });
    let folder = &loaded.config.data.dir;
    if !folder.join("journal").is_dir() {
        let error = anyhow!("{} is no data folder: it holds no journal", folder.display());
        return Err(Failure::failed(error)
            .hint("name it with --data, or the relay's configuration with --config"));
    }
    let outcome = look_or_mend(arguments, common, &loaded);
    // Whatever came of it: the relay would not open what is root's.
    let given = owner::give_back(folder);
    let exit = outcome.map_err(|failure| owner::explain(failure, folder))?;
    given.map(|()| exit)
}

fn look_or_mend(arguments: &RepairArguments, common: &Common, loaded: &Loaded) -> Outcome {
    let folder = &loaded.config.data.dir;
    if arguments.accept_loss || arguments.rebuild_index {
        return mend(arguments, common, loaded);
    }
    if arguments.accept_clock {
        store::accept_clock(&RealDisk, folder).map_err(serve::failure)?;
        output::line("the clock is taken as right: ages delete again from the next start on")?;
        return Ok(Exit::Success);
    }
    let report = store::check(&CheckOptions {
        folder: folder.clone(),
        disk: Arc::new(RealDisk),
        index_cache: loaded.config.data.index_cache.0,
        simulated: None,
    });
    let report = report.map_err(serve::failure)?;
    if common.json {
        output::json(&json_of(&report))?;
    } else {
        tell(&report, folder)?;
    }
    Ok(if report.is_sound() { Exit::Success } else { Exit::Failed })
}

fn mend(arguments: &RepairArguments, common: &Common, loaded: &Loaded) -> Outcome {
    let data = &loaded.config.data;
    let keys = Keys::find_or_make(&data.dir, &loaded.secrets)?;
    if arguments.rebuild_index {
        store::remove_index(&data.dir).map_err(serve::failure)?;
    }
    let mut opened = open(loaded, &keys, arguments.accept_loss)?;
    let accepted = std::mem::take(&mut opened.accepted);
    if !accepted.is_empty() && !opened.rebuilt {
        // The index may hold what the records that are given up had put: it is made from the rest.
        opened.start().1.stop().map_err(Failure::failed)?;
        store::remove_index(&data.dir).map_err(serve::failure)?;
        opened = open(loaded, &keys, false)?;
    }
    let rebuilt = opened.rebuilt;
    let (store, running) = opened.start();
    let mended = if arguments.accept_loss { mend_store(&store) } else { Ok(Mended::default()) };
    drop(store);
    running.stop().map_err(Failure::failed)?;
    let Mended { due_times, bodies } = mended?;
    let given_up = accepted.iter().map(ToString::to_string).chain(bodies).collect::<Vec<_>>();
    if common.json {
        output::json(&json!({
            "given_up": given_up, "index_rebuilt": rebuilt,
            "due_times_dropped": due_times.dropped, "due_times_restored": due_times.restored,
        }))?;
        return Ok(Exit::Success);
    }
    for loss in &given_up {
        output::line(format!("{} {loss}", styled(BAD, "given up:")))?;
    }
    if arguments.accept_loss && given_up.is_empty() {
        output::line("nothing had to be given up")?;
    }
    if due_times.dropped > 0 {
        let dropped = due_times.dropped;
        output::line(format!("due times taken away that no delivery has any more: {dropped}"))?;
    }
    if due_times.restored > 0 {
        let restored = due_times.restored;
        output::line(format!("deliveries that waited without a due time, due again: {restored}"))?;
    }
    if rebuilt {
        output::line("the index was made anew from the journal")?;
    }
    output::line(styled(ASIDE, "relay serve may use the folder again"))?;
    Ok(Exit::Success)
}

/// What was made to fit after the records that are lost were given up.
#[derive(Default)]
struct Mended {
    due_times: store::Mended,
    /// Damaged bodies, in words.
    bodies: Vec<String>,
}

fn mend_store(store: &Store) -> Result<Mended, Failure> {
    let lost = store.give_up_bodies().map_err(Failure::failed)?;
    let told = |lost: &LostBody| match lost.content {
        Content::Message(id) | Content::Head(id) => format!("{lost} ({})", store.ids().text(id)),
        Content::Request(id) => format!("{lost} ({})", store.ids().text(id)),
        Content::Attempt(id) => format!("{lost} ({})", store.ids().text(id)),
    };
    let bodies = lost.iter().map(told).collect();
    Ok(Mended { due_times: store.mend().map_err(Failure::failed)?, bodies })
}

fn open(loaded: &Loaded, keys: &Keys, accept_loss: bool) -> Result<Opened, Failure> {
    let data = &loaded.config.data;
    let opened = store::open(Options {
        folder: data.dir.clone(),
        disk: Arc::new(RealDisk),
        segment_size: data.segment_size.0,
        index_cache: data.index_cache.0,
        overlay: usize::try_from(data.overlay.0).unwrap_or(usize::MAX),
        order_lookahead: loaded.config.delivery.order_lookahead,
        sealing: keys.sealing.clone(),
        clock: Box::new(|floor| Arc::new(EngineClock::going_on(floor))),
        notify: Box::new(drop),
        progress: Box::new(|record| {
            tracing::warn!(record, "reading the journal back");
        }),
        on_sync: Box::new(drop),
        accept_loss,
        simulated: None,
    });
    opened.map_err(serve::failure)
}

fn tell(report: &Report, folder: &Path) -> Result<(), Failure> {
    let (records, segments) = (report.records, report.segments);
    let segments = count(segments, "file");
    let last = report.last;
    output::line(format!(
        "journal     {records} records in {segments}, the last has number {last}"
    ))?;
    match &report.account {
        Some(account) => {
            let [accepted, deliveries] = [account.accepted, account.deliveries];
            let holds = if account.holds() { "each has its place" } else { "not each has a place" };
            output::line(format!(
                "deliveries  {accepted} messages, {deliveries} deliveries: {} delivered, {} dead, \
                 {} cancelled, {} waiting, {} retrying; {holds}",
                account.delivered,
                account.dead,
                account.cancelled,
                account.waiting,
                account.retrying
            ))?;
        }
        None => output::line("deliveries  not counted, since records are lost")?,
    }
    output::line(format!("index       {}", index(&report.index)))?;
    for finding in &report.findings {
        output::line(format!("{} {finding}", styled(BAD, "damage:")))?;
    }
    if report.more > 0 {
        output::line(format!("and {} more", report.more))?;
    }
    if report.is_sound() {
        return output::line(format!("{} {}", folder.display(), styled(GOOD, "is sound")));
    }
    output::line("")?;
    let mut remedies: Vec<Remedy> = report.findings.iter().map(|finding| finding.remedy).collect();
    remedies.sort_unstable();
    remedies.dedup();
    remedies.into_iter().try_for_each(|found| output::line(remedy(found)))
}

fn remedy(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::AcceptLoss => {
            "lost records and what hung on them: put the file back from a backup, or give them \
             up and keep the rest: relay repair --accept-loss"
        }
        Remedy::Backup => {
            "damage in a body: put the file back from a backup; without one, what is to be sent \
             of it fails and all else goes on, or give it up: relay repair --accept-loss"
        }
        Remedy::RebuildIndex => {
            "the index: made anew from the journal, losing nothing: relay repair --rebuild-index"
        }
    }
}

fn index(state: &IndexState) -> String {
    match state {
        IndexState::Compared(rows) => format!("{rows} rows, compared with the journal"),
        IndexState::Rebuilt(why) => format!("not compared: {why}; the next start makes it anew"),
        IndexState::Unreadable => "can't be read".to_owned(),
    }
}

fn json_of(report: &Report) -> Value {
    let finding = |finding: &Finding| {
        let Finding { file, record, what, .. } = finding;
        json!({ "file": file, "record": record, "what": what })
    };
    let account = report.account.map(|account| {
        json!({
            "accepted": account.accepted, "deliveries": account.deliveries,
            "delivered": account.delivered, "dead": account.dead, "cancelled": account.cancelled,
            "waiting": account.waiting, "retrying": account.retrying, "holds": account.holds(),
        })
    });
    let rows = match report.index {
        IndexState::Compared(rows) => Some(rows),
        IndexState::Rebuilt(_) | IndexState::Unreadable => None,
    };
    json!({
        "sound": report.is_sound(), "segments": report.segments, "records": report.records,
        "last": report.last, "account": account,
        "index": { "state": index(&report.index), "rows": rows },
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(), "more": report.more,
    })
}
