//! Lists: what is asked for and what is answered.
//!
//! `iterator` is the name of the last item, which goes on from there; `prevIterator` is the name of
//! the first behind a `-`, which goes back.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use bytes::Bytes;
use serde::Serialize;

use super::limits::{PAGE_DEFAULT, PAGE_MAX};
use super::query::{Query, wrong};
use crate::domain::id::{Id, Ids, Kind};
use crate::domain::subscription::is_name;
use crate::http::error::ApiError;
use crate::store::{Page, PageRequest, PageStart};

/// What a list's items are named by in an iterator.
pub trait Cursor: Sized + Clone {
    /// Reads one.
    fn read(ids: &Ids, text: &str) -> Option<Self>;
    /// Writes one.
    fn write(&self, ids: &Ids) -> String;
}

impl<K: Kind> Cursor for Id<K> {
    fn read(ids: &Ids, text: &str) -> Option<Id<K>> {
        ids.parse(text)
    }

    fn write(&self, ids: &Ids) -> String {
        ids.text(*self)
    }
}

impl Cursor for String {
    fn read(_: &Ids, text: &str) -> Option<String> {
        is_name(text, super::limits::UID_MAX).then(|| text.to_owned())
    }

    fn write(&self, _: &Ids) -> String {
        self.clone()
    }
}

/// Reads `limit`, `iterator` and `order`.
pub fn request<C: Cursor>(
    query: &Query,
    ids: &Ids,
    descending: bool,
) -> Result<PageRequest<C>, ApiError> {
    let limit = query.number("limit")?.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(wrong("limit", &format!("must be 1 to {PAGE_MAX}")));
    }
    let descending = match query.text("order") {
        None => descending,
        Some("ascending") => false,
        Some("descending") => true,
        Some(_) => return Err(wrong("order", "is ascending or descending")),
    };
    let start = match query.text("iterator") {
        None => PageStart::First,
        Some(text) => {
            let read = |text| C::read(ids, text);
            // A name may itself begin with a dash; only an id cannot.
            match (text.strip_prefix('-').and_then(read), read(text)) {
                (Some(cursor), _) => PageStart::Before(cursor),
                (None, Some(cursor)) => PageStart::After(cursor),
                (None, None) => return Err(wrong("iterator", "is none that this list has given")),
            }
        }
    };
    Ok(PageRequest { limit: limit as usize, start, descending })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<T> {
    data: Vec<T>,
    iterator: Option<String>,
    prev_iterator: Option<String>,
    done: bool,
}

/// The same of a search, which may end before its page is full.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Searched<T> {
    #[serde(flatten)]
    list: List<T>,
    searched_to: Option<String>,
}

/// The JSON of a page; `name` gives an item's cursor and `show` what is seen of it.
pub fn json<T, C: Cursor, S: Serialize>(
    ids: &Ids,
    request: &PageRequest<C>,
    page: Page<T, C>,
    name: impl Fn(&T) -> C,
    show: impl FnMut(T) -> Result<S, ApiError>,
) -> Result<Bytes, ApiError> {
    encode(&list(ids, request, page, name, show)?)
}

/// The same with the time up to which was searched, where that is all that was done for the page.
pub fn searched<T, K: Kind, S: Serialize>(
    ids: &Ids,
    request: &PageRequest<Id<K>>,
    page: Page<T, Id<K>>,
    name: impl Fn(&T) -> Id<K>,
    show: impl FnMut(T) -> Result<S, ApiError>,
) -> Result<Bytes, ApiError> {
    let searched_to = page.scanned_to.map(|id| id.time().to_string());
    encode(&Searched { list: list(ids, request, page, name, show)?, searched_to })
}

fn list<T, C: Cursor, S: Serialize>(
    ids: &Ids,
    request: &PageRequest<C>,
    page: Page<T, C>,
    name: impl Fn(&T) -> C,
    show: impl FnMut(T) -> Result<S, ApiError>,
) -> Result<List<S>, ApiError> {
    let mut iterator = page.items.last().map(|item| name(item).write(ids));
    let mut previous = page.items.first().map(|item| name(item).write(ids));
    if let Some(scanned_to) = &page.scanned_to {
        match request.start {
            PageStart::Before(_) => previous = Some(scanned_to.write(ids)),
            PageStart::First | PageStart::After(_) => iterator = Some(scanned_to.write(ids)),
        }
    }
    let data: Result<Vec<S>, ApiError> = page.items.into_iter().map(show).collect();
    let prev_iterator = previous.map(|name| format!("-{name}"));
    Ok(List { data: data?, iterator, prev_iterator, done: page.done })
}

/// A value as the bytes of its JSON, which go from one thread to another where answers don't.
pub fn encode<T: Serialize>(value: &T) -> Result<Bytes, ApiError> {
    let bytes = serde_json::to_vec(value);
    bytes.map(Bytes::from).map_err(|error| ApiError::Internal(error.to_string()))
}

/// The answer 200 with such bytes.
pub fn ok(bytes: Bytes) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(bytes)
}

/// A page of items that are all in memory, sorted by their cursor.
pub fn slice<T, C: Cursor + Ord>(
    mut items: Vec<T>,
    request: &PageRequest<C>,
    name: impl Fn(&T) -> C,
) -> Page<T, C> {
    items.sort_by_key(&name);
    if request.descending {
        items.reverse();
    }
    let is_after = |item: &T, cursor: &C| {
        if request.descending { name(item) < *cursor } else { name(item) > *cursor }
    };
    match &request.start {
        PageStart::First => {}
        PageStart::After(cursor) => items.retain(|item| is_after(item, cursor)),
        PageStart::Before(cursor) => {
            items.retain(|item| name(item) != *cursor && !is_after(item, cursor));
            let excess = items.len().saturating_sub(request.limit);
            items.drain(..excess);
            return Page { items, done: excess == 0, scanned_to: None };
        }
    }
    let done = items.len() <= request.limit;
    items.truncate(request.limit);
    Page { items, done, scanned_to: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{EndpointId, Stamp};

    #[test]
    fn requests() {
        let ids = Ids::new([1; 16]);
        let read = |text: &str| request::<EndpointId>(&Query::parse(text)?, &ids, true);
        assert_eq!(read("").unwrap().limit, 50);
        assert_eq!(read("limit=250&order=ascending").unwrap().limit, 250);
        for text in ["limit=251", "limit=0", "limit=-1", "limit=x", "order=up", "iterator=ep_1"] {
            assert!(matches!(read(text), Err(ApiError::Invalid(_))), "{text}");
        }
        let id = EndpointId::new(Stamp(7));
        let text = ids.text(id);
        assert_eq!(read(&format!("iterator={text}")).unwrap().start, PageStart::After(id));
        assert_eq!(read(&format!("iterator=-{text}")).unwrap().start, PageStart::Before(id));
    }

    #[test]
    fn pages_of_a_slice() {
        let check = |start, descending, expected: &[u64], done| {
            let request = PageRequest { limit: 2, start, descending };
            let items = [3, 1, 5, 4, 2].map(|number| EndpointId::new(Stamp(number))).to_vec();
            let page = slice(items, &request, |id| *id);
            let found: Vec<u64> = page.items.iter().map(|id| id.stamp().0).collect();
            assert_eq!((found.as_slice(), page.done), (expected, done), "{request:?}");
        };
        let at = |number| EndpointId::new(Stamp(number));
        check(PageStart::First, false, &[1, 2], false);
        check(PageStart::First, true, &[5, 4], false);
        check(PageStart::After(at(2)), false, &[3, 4], false);
        check(PageStart::After(at(4)), false, &[5], true);
        check(PageStart::After(at(2)), true, &[1], true);
        check(PageStart::Before(at(4)), false, &[2, 3], false);
        check(PageStart::Before(at(3)), false, &[1, 2], true);
        check(PageStart::Before(at(2)), true, &[4, 3], false);
    }
}
