//! Lists of the API, page by page.

use serde_json::Value;

use super::client::{Client, path_part};
use super::failure::{Exit, Failure};
use super::output::{self, Cell};
use super::{Common, Outcome};

/// Items that one page may have.
const PAGE: usize = 250;

/// The first `most` items of a list; `query` is empty, or begins with `&`.
pub(super) fn list(
    client: &Client,
    path: &str,
    query: &str,
    most: usize,
) -> Result<Vec<Value>, Failure> {
    let mut found = Vec::new();
    let mut iterator = String::new();
    while found.len() < most {
        let limit = (most - found.len()).min(PAGE);
        let page = client.get(&format!("{path}?limit={limit}{query}{iterator}"))?;
        found.extend(page["data"].as_array().into_iter().flatten().cloned());
        match page["iterator"].as_str() {
            Some(next) if page["done"] == false => {
                let last = std::mem::replace(&mut iterator, page_after(next));
                // A relay that gives the same place again would never end.
                if last == iterator {
                    break;
                }
            }
            _ => break,
        }
    }
    found.truncate(most);
    Ok(found)
}

/// Prints what was found: as JSON, or as a table with a row for each; `noun` is what one is called.
pub(super) fn show<const N: usize>(
    found: &[Value],
    noun: &str,
    names: [&str; N],
    row: impl Fn(&Value) -> [Cell; N],
    common: &Common,
) -> Outcome {
    if common.json {
        output::json(&found)?;
    } else if found.is_empty() {
        output::line(format!("no {noun} was found"))?;
    } else {
        let rows: Vec<_> = found.iter().map(row).collect();
        output::table(names, &rows)?;
    }
    Ok(Exit::Success)
}

fn page_after(name: &str) -> String {
    format!("&iterator={}", path_part(name))
}
