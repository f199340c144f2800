//! Packs what the binary serves as it is: the document of the API, and what pages are made of. As
//! text they would be half a megabyte more. Notes which modules each page's script needs.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use flate2::{Compression, GzBuilder};

const DOCUMENT: &str = "docs/openapi.json";
const ASSETS: &str = "assets/ui";

fn main() -> Result<(), Box<dyn Error>> {
    for watched in ["build.rs", DOCUMENT, ASSETS] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    pack(Path::new(DOCUMENT), &out)?;
    let mut imports = BTreeMap::new();
    for entry in fs::read_dir(ASSETS)? {
        let path = entry?.path();
        pack(&path, &out)?;
        if let (Some("js"), Some(name)) =
            (path.extension().and_then(OsStr::to_str), path.file_name().and_then(OsStr::to_str))
        {
            imports.insert(name.to_owned(), imported(&fs::read_to_string(&path)?));
        }
    }
    fs::write(out.join("modules.rs"), modules(&imports))?;
    Ok(())
}

/// The modules that a script imports by its own words, all of the same folder.
fn imported(script: &str) -> Vec<String> {
    let clauses = script.lines().filter_map(|line| line.split_once(" from './"));
    let names = clauses.filter_map(|(_, rest)| rest.strip_suffix("';"));
    names.map(str::to_owned).collect()
}

/// A slice of Rust: each script that none imports, with all that it needs, what it names itself
/// first.
fn modules(imports: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = String::from("&[");
    for script in imports.keys().filter(|name| !imports.values().flatten().any(|one| one == *name))
    {
        let mut needed: Vec<&String> = Vec::new();
        let mut found: VecDeque<&String> = imports[script].iter().collect();
        while let Some(name) = found.pop_front() {
            if !needed.contains(&name) {
                needed.push(name);
                found.extend(imports.get(name).into_iter().flatten());
            }
        }
        text.push_str(&format!("({script:?}, &{needed:?}),"));
    }
    text + "]"
}

/// Writes a file as gzip below its own name; the same bytes for the same file, always.
fn pack(path: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut name = path.file_name().unwrap_or(OsStr::new("")).to_owned();
    name.push(".gz");
    let mut packed = GzBuilder::new().write(File::create(out.join(name))?, Compression::best());
    io::copy(&mut File::open(path)?, &mut packed)?;
    packed.finish()?;
    Ok(())
}
