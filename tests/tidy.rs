//! Holds the source to the rules of CONTRIBUTING.md; every failure names the place and what to do.

use std::path::{Path, PathBuf};

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/mutants.rs"]
mod mutants;
#[path = "tidy/outbound.rs"]
mod outbound;
#[path = "tidy/source.rs"]
mod source;

use source::{Code, File};

/// What each part of `src/` may use of the others; itself goes without saying.
const ARROWS: [(&str, &[&str]); 8] = [
    ("domain", &[]),
    ("config", &["domain"]),
    ("telemetry", &["config", "domain"]),
    ("metrics", &["config", "domain"]),
    ("store", &["domain", "config", "metrics", "telemetry"]),
    ("engine", &["domain", "config", "metrics", "telemetry", "store"]),
    ("http", &["domain", "config", "metrics", "telemetry", "store", "engine"]),
    ("cli", &["domain", "config", "metrics", "telemetry", "store", "engine", "http"]),
];

/// What would make the domain depend on more than its arguments.
const IMPURE: [&str; 9] = [
    "SystemTime",
    "Instant",
    "tokio",
    "actix_web",
    "ureq",
    "getrandom",
    "tracing",
    "async fn",
    "Timestamp::now",
];

/// Modules of std with which it would do so too.
const IMPURE_STD: [&str; 5] = ["fs", "io", "env", "process", "thread"];

/// Files that may be longer than [`MAX_FILE_LINES`], each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_COLUMNS: usize = 100;

/// Formats that people read and write; the rest (fixtures, lock files) is not judged.
const TEXT: [&str; 12] =
    ["rs", "md", "toml", "sh", "py", "mjs", "js", "json", "html", "css", "service", "yml"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn all_files() -> Vec<File> {
    let mut found = Vec::new();
    source::files(&root(), &root(), &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 20, "only {} files found below {}", found.len(), root().display());
    found
}

fn rust_files() -> Vec<(File, Code)> {
    let rust = all_files().into_iter().filter(|file| file.is(&["rs"]));
    rust.map(|file| {
        let folders = file.path.components().any(|part| part.as_os_str() == "tests");
        let in_tests = folders || file.path.ends_with("tests.rs");
        let code = Code::read(&file.text, in_tests);
        (file, code)
    })
    .collect()
}

/// Fails with every problem at once.
fn expect_none(problems: &[String]) {
    assert!(problems.is_empty(), "{} to tidy:\n{}\n", problems.len(), problems.join("\n"));
}

/// The part of `src/` a file belongs to: `store` for `src/store/keys.rs` and for `src/store.rs`.
fn layer(path: &Path) -> Option<String> {
    let inside = path.strip_prefix("src").ok()?;
    let first = inside.components().next()?.as_os_str().to_string_lossy().into_owned();
    Some(first.trim_end_matches(".rs").to_owned())
}

/// What `crate::…` or the like at `position` names just below it.
fn named_below(code: &Code, prefix: &str, position: usize) -> Vec<String> {
    let after = position + prefix.len();
    if !code.until(after, b";").starts_with('{') {
        return vec![code.until(after, b":;,} \n()<>{").trim().to_owned()];
    }
    let group = code.until(after + 1, b";");
    let mut depth = 0_i32;
    let flat: String = group
        .chars()
        .filter(|letter| {
            depth += i32::from(*letter == '{') - i32::from(*letter == '}');
            depth <= 0 && *letter != '}'
        })
        .collect();
    let first = |part: &str| part.trim().split("::").next().unwrap_or_default().to_owned();
    flat.split(',').map(first).filter(|name| !name.is_empty()).collect()
}

#[test]
fn dependencies_point_down() {
    let mut problems = Vec::new();
    for (file, code) in rust_files() {
        let Some(layer) = layer(&file.path) else { continue };
        if layer == "lib" || layer == "main" {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == layer) else {
            problems.push(file.at(1, "belongs to no layer: move it, or add it to ARROWS"));
            continue;
        };
        for position in code.positions("crate::") {
            for named in named_below(&code, "crate::", position) {
                if named != layer && !allowed.contains(&named.as_str()) {
                    let problem = format!(
                        "{layer} may not use crate::{named}: move what both need down, \
                         or pass it in as an argument"
                    );
                    problems.push(file.at(code.line(position), &problem));
                }
            }
        }
        for position in code.positions("super::super::").filter(|at| !code.in_tests(*at)) {
            problems.push(file.at(code.line(position), "write crate:: instead of super::super::"));
        }
    }
    expect_none(&problems);
}

#[test]
fn domain_is_pure_and_only_the_store_knows_its_libraries() {
    let mut problems = Vec::new();
    for (file, code) in rust_files() {
        let mut refuse = |words: &[&str], advice: &str| {
            for word in words {
                for position in code.positions(word) {
                    problems.push(file.at(code.line(position), &format!("{word}: {advice}")));
                }
            }
        };
        let advice = "the domain does no I/O and reads no clock: take it as an argument";
        if file.below("src/domain") {
            refuse(&IMPURE, advice);
        }
        if file.below("src") && !file.below("src/store") {
            refuse(&["sled", "bincode"], "only src/store names it: say it in the domain's words");
        }
        for position in code.positions("std::").filter(|_| file.below("src/domain")) {
            for module in named_below(&code, "std::", position) {
                if IMPURE_STD.contains(&module.as_str()) {
                    problems
                        .push(file.at(code.line(position), &format!("std::{module}: {advice}")));
                }
            }
        }
    }
    expect_none(&problems);
}

#[test]
fn nothing_connects_past_the_guard() {
    let files = rust_files();
    let served = files.iter().filter(|(file, _)| file.below("src"));
    let mut problems: Vec<_> =
        served.flat_map(|(file, code)| outbound::unguarded(file, code)).collect();
    problems.extend(outbound::stale(&files));
    expect_none(&problems);
    let check = |path: &str, source: &str, count: usize| {
        let file = File { path: path.into(), text: source.to_owned() };
        let found = outbound::unguarded(&file, &Code::read(source, false));
        assert_eq!(found.len(), count, "{path}, {source}: {found:?}");
    };
    check("src/engine/permission.rs", "let a = TcpStream::connect(address)?;", 1);
    check("src/engine/origin.rs", "let agent = ureq::Agent::new_with_defaults();", 0);
    check("src/engine/provider_keys.rs", "ureq::get(url).call()?", 1);
    check("src/http/api/source.rs", "let transport = UreqTransport::new(settings);", 1);
    check("src/engine/guard.rs", "TcpStream::connect(address)?;", 1);
    check("src/engine/x.rs", "// TcpStream in a comment", 0);
}

#[test]
fn routes_stand_in_the_table() {
    let mut problems = Vec::new();
    let ways = ["web::resource", "web::scope", "web::route", ".route(", "#[get", "#[post"];
    for (file, code) in rust_files() {
        // Only what this one serves is listed, documented and walked by tests.
        if !file.below("src/http") || file.path == Path::new("src/http/routes.rs") {
            continue;
        }
        for way in ways {
            for position in code.positions(way).filter(|at| !code.in_tests(*at)) {
                let problem = format!("{way}: add the path to a table of src/http/routes.rs");
                problems.push(file.at(code.line(position), &problem));
            }
        }
    }
    expect_none(&problems);
}

#[test]
fn files_functions_and_lines_are_short() {
    let mut problems = Vec::new();
    for (file, code) in rust_files() {
        let lines = file.text.lines().count();
        let long = LONG_FILES.iter().any(|(path, _)| file.path == Path::new(path));
        if lines > MAX_FILE_LINES && !long {
            let problem = format!("{lines} lines: split it by meaning, {MAX_FILE_LINES} at most");
            problems.push(file.at(lines, &problem));
        }
        for (name, range) in code.functions() {
            if range.len() > MAX_FUNCTION_LINES {
                let problem = format!(
                    "fn {name} has {} lines: split it by meaning, {MAX_FUNCTION_LINES} at most",
                    range.len()
                );
                problems.push(file.at(range.start, &problem));
            }
        }
    }
    for (path, reason) in LONG_FILES {
        let exists = root().join(path).exists();
        assert!(exists && !reason.is_empty(), "LONG_FILES: {path} is gone or has no reason");
    }
    // TOML keeps a dependency in one line and relay.toml names variables beside; JSON is printed
    for file in all_files().iter().filter(|file| file.is(&TEXT) && !file.is(&["toml", "json"])) {
        for (number, line) in (1..).zip(file.text.lines()) {
            let whole = file.is(&["md"]) && (line.starts_with('|') || line.contains("](http"))
                // words for people stay in one piece; how it is laid out, prettier says
                || file.is(&["js", "mjs"]) && line.contains(['\'', '`']);
            if line.chars().count() > MAX_COLUMNS && !whole {
                let problem = format!("{} columns: break the line", line.chars().count());
                problems.push(file.at(number, &problem));
            }
        }
    }
    expect_none(&problems);
}

#[test]
fn nothing_is_left_open() {
    let mut problems = Vec::new();
    for (file, code) in rust_files() {
        let mut refuse = |word: &str, advice: &str, where_to: fn(bool) -> bool| {
            for position in code.positions(word).filter(|at| where_to(code.in_tests(*at))) {
                problems.push(file.at(code.line(position), &format!("{word} {advice}")));
            }
        };
        let anywhere = |_| true;
        refuse("todo!", "is not done: write it, or leave it out", anywhere);
        refuse("unimplemented!", "is not done: write it, or leave it out", anywhere);
        refuse("#[ignore", "hides a test: make it fast, or give it a program of its own", anywhere);
        refuse("#[should_panic", "says too little: assert on the result", anywhere);
        let tests = |in_tests| in_tests;
        refuse("thread::sleep", "in a test: wait for what it waits for", tests);
        refuse("time::sleep", "in a test: wait for what it waits for", tests);
        let code_itself = |in_tests: bool| !in_tests;
        refuse("static mut", "is a global: pass the value to who needs it", code_itself);
        refuse("thread_local!", "is a global: pass the value to who needs it", code_itself);
        refuse(".unwrap()", "can panic: handle it, or expect(\"the invariant\")", code_itself);
    }
    expect_none(&problems);
}

#[test]
fn imports_name_what_they_import() {
    let mut problems = Vec::new();
    for (file, code) in rust_files() {
        for position in code.positions("use") {
            let import: String = code.until(position, b";").split_whitespace().collect();
            let glob = import.ends_with("::*") || import.contains("*,") || import.contains("*}");
            let usual = ["usesuper::*", "useproptest::prelude::*"].contains(&import.as_str());
            if glob && !(usual && code.in_tests(position)) {
                problems.push(file.at(code.line(position), "a glob import: list the names"));
            }
        }
    }
    expect_none(&problems);
}

#[test]
fn text_is_plain() {
    let mut problems = Vec::new();
    for file in all_files().iter().filter(|file| file.is(&TEXT)) {
        for (number, line) in (1..).zip(file.text.split('\n')) {
            if let Some(control) = line.chars().find(|letter| letter.is_control()) {
                let problem = format!("control character {control:?}: use spaces or an escape");
                problems.push(file.at(number, &problem));
            }
            if line.ends_with(' ') {
                problems.push(file.at(number, "space at the end of the line: take it away"));
            }
        }
        if !file.text.ends_with('\n') || file.text.ends_with("\n\n") {
            let last = file.text.lines().count();
            problems.push(file.at(last, "end the file with exactly one line break"));
        }
    }
    expect_none(&problems);
}

#[test]
fn documents_hold_together() {
    let files = all_files();
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| file.is(&["md"])) {
        problems.extend(documents::headings(file));
        problems.extend(documents::links(file, &root()));
    }
    let named = |path: &str| {
        let file = files.iter().find(|file| file.path == Path::new(path));
        file.unwrap_or_else(|| panic!("{path} is gone: correct its name here"))
    };
    problems.extend(documents::changelog(named("CHANGELOG.md")));
    let (errors, operations) = (named("src/http/error.rs"), named("docs/operations.md"));
    problems.extend(documents::codes(errors, operations, named("docs/openapi.json")));
    expect_none(&problems);
}

#[test]
fn mutants_apply() {
    let files = all_files();
    let (patches, files): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.below("tests/simulation/mutants"));
    assert!(!patches.is_empty(), "tests/simulation/mutants is gone: correct its name here");
    let problems: Vec<String> =
        patches.iter().flat_map(|patch| mutants::applies(patch, &files)).collect();
    expect_none(&problems);
    let stale = |text: &str| {
        let path = patches[0].path.clone();
        !mutants::applies(&File { path, text: text.to_owned() }, &files).is_empty()
    };
    assert!(stale("--- a/src/gone.rs\n+++ b/src/gone.rs\n@@ -1 +1 @@\n-a\n+b\n"));
    assert!(stale("--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1 @@\n-never there\n+b\n"));
    assert!(stale("--- a/src/lib.rs\n+++ b/src/lib.rs\n"));
}

#[test]
fn arrows_are_read_from_groups_too() {
    let check = |source: &str, expected: &[&str]| {
        let code = Code::read(source, false);
        let named: Vec<String> =
            code.positions("crate::").flat_map(|at| named_below(&code, "crate::", at)).collect();
        assert_eq!(named, expected, "{source}");
    };
    check("use crate::domain::id::EventId;", &["domain"]);
    check("use crate::{domain::{id, time}, store::Store, http};", &["domain", "store", "http"]);
    check("let x = crate::engine::run(crate::config::Config);", &["engine", "config"]);
    check("// crate::http in a comment", &[]);
    assert_eq!(layer(Path::new("src/store/keys.rs")).as_deref(), Some("store"));
    assert_eq!(layer(Path::new("tests/tidy.rs")), None);
}
