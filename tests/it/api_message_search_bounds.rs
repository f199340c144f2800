//! How much a search looks at, and what it does where there is more.

use std::time::Duration;

use bytes::Bytes;
use relay::domain::application::Application;
use relay::domain::id::ApplicationId;
use relay::store::{Author, NewMessage, Reply};
use serde_json::json;

use crate::api_message_search::{application, fill, found, names, walk};
use crate::support::folder::Folder;
use crate::support::server::Relay;

/// Of ten thousand not each is asked for an event id: it is found as text is.
#[test]
fn event_ids_of_many_applications() {
    let relay = Relay::start();
    let quiet = application(&relay, "quiet");
    fill(&relay, vec![(quiet, "needle".to_owned(), Bytes::new())]);
    for some in 0..41 {
        let name = move |number: usize| format!("busy-{some}-{number}");
        let written = relay.state.store.write_blocking(None, move |transaction| {
            for number in 0..50 {
                let now = transaction.now();
                let made = Application {
                    id: ApplicationId::new(transaction.mint()),
                    uid: None,
                    name: name(number),
                    throttle_rate: None,
                    metadata: Default::default(),
                    managed: false,
                    created_at: now,
                    updated_at: now,
                };
                let made = transaction.put_application(made, Author::Caller)?;
                let body = Bytes::from_static(b"{}");
                transaction.accept(NewMessage::plain(made.id, "a.b".to_owned(), body))?;
            }
            Ok(Reply::Done)
        });
        written.unwrap();
    }
    // A slow machine needs more than one page for it.
    let mut page = relay.get("/message-search?q=needle").expect(200).json;
    while names(&page).is_empty() && page["done"] == false {
        let next = page["iterator"].as_str().unwrap().to_owned();
        page = relay.get(&format!("/message-search?q=needle&iterator={next}")).expect(200).json;
    }
    assert_eq!(names(&page), ["needle"]);
    assert_eq!(page["data"][0]["match"], json!({"field": "eventId"}));
    let own = relay.get("/app/quiet/message-search?q=needle").expect(200).json;
    assert_eq!(names(&own), ["needle"]);
    relay.folder.clock.advance(Duration::from_secs(3 * 24 * 3_600));
    let window = found(&relay, "/message-search?q=needle&app=quiet");
    assert_eq!(window, ["needle"], "one that is asked knows it, however old");
    assert!(walk(&relay, "/message-search?q=needle").0.is_empty(), "as text is");
}

/// However much is stored, a page looks at so much of it and says how far it came.
#[test]
fn a_page_ends_early_and_says_so() {
    let mut folder = Folder::new();
    folder.segment_size = 64 << 20;
    let relay = Relay::over(folder);
    let [one, two] = ["one", "two"].map(|uid| application(&relay, uid));
    let body = |number: usize| match number {
        0 => Bytes::from_static(b"{\"needle\":1}"),
        _ => Bytes::from_static(b"{}"),
    };
    let owner = |number: usize| if number.is_multiple_of(2) { one } else { two };
    let messages = (0..6_000).map(|number| (owner(number), format!("m{number}"), body(number)));
    fill(&relay, messages.collect());
    let path = "/message-search?q=needle";
    let first = relay.get(path).expect(200).json;
    assert_eq!((names(&first), &first["done"]), (Vec::new(), &json!(false)));
    assert!(first["searchedTo"].is_string() && first["iterator"].is_string(), "{first}");
    let (all, pages) = walk(&relay, path);
    assert_eq!(all, ["m0"]);
    assert!(pages >= 2, "{pages}");
    let (all, pages) = walk(&relay, "/message-search?event_types=none");
    assert_eq!((all.len(), pages), (0, 2));
    let (all, _) = walk(&relay, "/message-search?q=needle&order=ascending");
    assert_eq!(all, ["m0"]);
    // Large bodies end it sooner.
    let large = Bytes::from(format!("\"{}\"", "x".repeat(3 << 20)));
    for number in 0..7 {
        fill(&relay, vec![(one, format!("large{number}"), large.clone())]);
    }
    let page = relay.get("/message-search?q=nothing").expect(200).json;
    assert_eq!(page["done"], false);
    let last = page["iterator"].as_str().unwrap().to_owned();
    let third = relay.get("/app/one/msg/large4").text("id").to_owned();
    assert!(page["searchedTo"].is_string());
    assert_eq!(last, third, "three of them are as much as one page reads");
}
