//! Packs what the binary serves as it is: the document of the API, and what pages are made of. As
//! text they would be half a megabyte more.

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
    for entry in fs::read_dir(ASSETS)? {
        pack(&entry?.path(), &out)?;
    }
    Ok(())
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
