//! Coverage-guided fuzzing of everything that reads what strangers write. `run.sh` builds and runs
//! it; `RELAY_FUZZ` names the target.

#![no_main]

mod api;
mod files;
mod texts;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 8] = [
    ("filter", texts::filter),
    ("steps", texts::steps),
    ("content", texts::content),
    ("signature", texts::signature),
    ("provider", texts::provider),
    ("config", files::config),
    ("journal", files::journal),
    ("api", api::call),
];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("RELAY_FUZZ").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    found.unwrap_or_else(|| panic!("RELAY_FUZZ is one of {}", names.join(", "))).1
});

fuzz_target!(|data: &[u8]| TARGET(data));
