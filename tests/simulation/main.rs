//! Scheduler and store in a world of their own: the real writer, journal, recovery and
//! copy-forward over a disk in memory that fails, model receivers, a clock that jumps from event to
//! event, and faults, all decided by a seed.
//!
//! `RELAY_SEED=7 cargo test --test simulation` runs one seed with a trace;
//! `RELAY_SIMULATION_SEEDS=10000 cargo test --release --test simulation` runs many;
//! `RELAY_SIMULATION_FIRST` sets the first of them, so that a long run can be done in pieces;
//! `RELAY_SIMULATION_STEPS` sets how many events each has.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use world::{Tally, World};

mod crash;
mod disk;
mod driver;
mod machine;
mod model;
mod operations;
mod order;
mod random;
mod reading;
mod receiver;
mod reference;
mod swarm;
mod told;
mod world;

/// As the program has it: a simulated store is all maps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEEDS: u64 = 200;
const STEPS: u64 = 500;
/// What must have happened at least once in `SEEDS` seeds.
const EVERYTHING: [&str; 26] = [
    "blocked",
    "checked",
    "conflict",
    "crash",
    "damage told",
    "dead letter taken",
    "delivered",
    "disabled",
    "drained",
    "exhausted",
    "expired",
    "failed sync",
    "false start",
    "full",
    "order changed",
    "page",
    "power cut",
    "rebuilt",
    "reclaimed",
    "refused",
    "released",
    "replayed",
    "resealed",
    "retried",
    "trusted",
    "unchanged",
];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Runs one seed: what happened how often, or what broke and how it came to that.
fn run(seed: u64, steps: u64, traced: bool) -> Result<Tally, String> {
    let mut world = World::new(seed, traced);
    let ended = panic::catch_unwind(AssertUnwindSafe(|| world.run(steps)));
    let broken = match ended {
        Ok(Ok(())) => return Ok(world.tally().clone()),
        Ok(Err(broken)) => broken,
        Err(_) => "it panicked".to_owned(),
    };
    let swarm = &world.swarm;
    Err(format!("{}\n{swarm:#?}\nafter {} events: {broken}", world.trace(), world.steps))
}

fn replay(seed: u64, steps: u64) -> String {
    let told = run(seed, steps, true).err().unwrap_or_else(|| "it passed when traced".to_owned());
    format!("{told}\nreplay: RELAY_SEED={seed} cargo test --test simulation")
}

#[test]
fn every_seed_holds() {
    let steps = number("RELAY_SIMULATION_STEPS").unwrap_or(STEPS);
    if let Some(seed) = number("RELAY_SEED") {
        if let Err(broken) = run(seed, steps, true) {
            panic!("{broken}");
        }
        return;
    }
    let seeds = number("RELAY_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let first = number("RELAY_SIMULATION_FIRST").unwrap_or(0);
    let end = first.saturating_add(seeds);
    let next = AtomicU64::new(first);
    let (failed, total) = (AtomicU64::new(u64::MAX), Mutex::new(Tally::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || failed.load(Ordering::Relaxed) != u64::MAX {
                        return;
                    }
                    match run(seed, steps, false) {
                        Ok(tally) => add(&mut total.lock().expect("no thread panics"), &tally),
                        Err(_) => _ = failed.fetch_min(seed, Ordering::Relaxed),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner();
    assert!(failed == u64::MAX, "seed {failed}:\n{}", replay(failed, steps));
    let total = total.into_inner().expect("no thread panics");
    println!("{seeds} seeds from {first}: {total:?}");
    if seeds >= SEEDS {
        let never: Vec<_> = EVERYTHING.iter().filter(|what| !total.contains_key(*what)).collect();
        assert!(never.is_empty(), "no run had one of {never:?}: it proves nothing of them");
    }
}

fn add(total: &mut Tally, tally: &Tally) {
    for (what, count) in tally {
        *total.entry(what).or_default() += count;
    }
}

/// One that fits no more breaks nothing, and would be taken for one that is found.
#[test]
fn every_mutant_fits_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in fs::read_dir(root.join("tests/simulation/mutants")).expect("mutants") {
        let path = entry.expect("an entry").path();
        let patch = fs::read_to_string(&path).expect("a patch");
        let (mut code, mut hunks) = (String::new(), Vec::new());
        for line in patch.lines() {
            if let Some(file) = line.strip_prefix("--- a/") {
                code = fs::read_to_string(root.join(file)).expect("the file it is about");
            } else if line.starts_with("@@") {
                hunks.push(String::new());
            } else if let (Some(hunk), Some(old)) =
                (hunks.last_mut(), line.strip_prefix(['-', ' ']))
            {
                hunk.push_str(old);
                hunk.push('\n');
            }
        }
        let fits = hunks.iter().all(|hunk| !hunk.is_empty() && code.contains(hunk));
        assert!(fits && !hunks.is_empty(), "{} fits the code no more", path.display());
        count += 1;
    }
    assert!(count > 0, "there are none");
}
