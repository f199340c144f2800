//! What the API's source says of itself, so that a table of cases is known to be complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use relay::http::routes;

/// The text of every file of `src/http/api`, by name.
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/api")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    assert!(found.len() > 15, "{} files", found.len());
    found
}

/// What is read from a request's body: struct and field, as it stands in JSON.
pub fn fields() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (_, text) in files() {
        let text = text.replace("\npub(super) struct ", "\nstruct ");
        for part in text.split("\nstruct ").skip(1) {
            let name: String = part.chars().take_while(|letter| letter.is_alphanumeric()).collect();
            if !["In", "Patch", "Params"].iter().any(|end| name.ends_with(end)) {
                continue;
            }
            let body = part.split("\n}").next().unwrap();
            for line in body.lines().skip(1) {
                let Some((field, _)) = line.trim().split_once(": ") else { continue };
                if field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                    found.insert((name.clone(), camel(field)));
                }
            }
        }
    }
    found
}

fn camel(field: &str) -> String {
    let mut parts = field.split('_');
    let first = parts.next().unwrap().to_owned();
    let upper = |part: &str| part[..1].to_uppercase() + &part[1..];
    parts.fold(first, |name, part| name + &upper(part))
}

/// Every query parameter that any call reads.
pub fn parameters() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in files() {
        let text = text.split("#[cfg(test)]").next().unwrap();
        for reader in [".flag(\"", ".number(\"", ".time(\"", ".text(\"", ".list(\""] {
            let names = text.split(reader).skip(1).map(|rest| rest.split('"').next().unwrap());
            found.extend(names.map(str::to_owned));
        }
    }
    found
}

/// Every call under `/api/v1` that asks for a key: method, path, and whether it is only answered
/// 501 as yet.
pub fn calls() -> Vec<(String, String, bool)> {
    let files = files();
    let later = files.iter().find(|(name, _)| name == "mod.rs");
    let later = later.map_or("", |(_, text)| text.as_str());
    let guarded = routes::all().into_iter().filter(|route| route.guarded);
    let calls = guarded.map(|route| {
        let path = route.path.strip_prefix("/api/v1").unwrap().to_owned();
        let place = format!("at(\"{path}\")");
        let chain = later.split(&place).nth(1).and_then(|rest| rest.split("into_resource").next());
        let handler = format!(".{}(transformation::later", route.method.as_str().to_lowercase());
        let is_later = chain.is_some_and(|chain| chain.contains(&handler));
        (route.method.to_string(), path, is_later)
    });
    let mut found: Vec<_> = calls.collect();
    found.sort();
    found
}
