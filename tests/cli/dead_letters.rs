//! `relay dead-letters` and `relay tasks` against a relay that serves, and a receiver that is down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::live::Live;
use crate::support::{Ended, Folder, ScriptedRelay};

fn config(receiver: &str) -> String {
    format!(
        "[delivery]\nretry_schedule = [\"1ms\"]\n[guard]\nallow = [\"127.0.0.0/8\"]\n\
         [[endpoint]]\nuid = \"books\"\nurl = \"{receiver}/\"\nthrottle_rate = 5\n"
    )
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn from_a_receiver_that_is_down_to_an_empty_list() {
    let folder = Folder::new();
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let receiver = ScriptedRelay::start(move |_, _| {
        (if is_down.load(Ordering::Relaxed) { 503 } else { 200 }, "{}".to_owned())
    });
    folder.write("relay.toml", config(&receiver.url));
    let relay = Live::start(&folder);
    let run = |arguments: &[&str]| -> Ended {
        folder.run(&[arguments, &["--server", &relay.url, "--token", &relay.key]].concat())
    };
    for event_type in ["a.b", "a.b", "c.d"] {
        run(&["send", "--type", event_type, "--data", "{}"]).expect(1, "dead ", "");
    }

    let listed = run(&["dead-letters", "list"]).expect(0, "DIED", "");
    assert_eq!(listed.out.lines().count(), 4);
    listed.expect(0, "exhausted  503     2         c.d", "");
    let of = |more: &[&str]| {
        let list = ["dead-letters", "list", "--app", "default", "--json"];
        json(&run(&[&list, more].concat()).expect(0, "", "")).as_array().unwrap().len()
    };
    assert_eq!(of(&["--type", "a.b", "--endpoint", "books", "--since", "1d"]), 2);
    assert_eq!(of(&["--status", "400"]) + of(&["--until", "1d"]) + of(&["--tag", "t"]), 0);
    run(&["dead-letters", "list", "--reason", "gone"]).expect(0, "no dead letter was found\n", "");
    run(&["dead-letters", "list", "--reason", "odd"]).expect(2, "", "possible values");
    for class in ["404", "4xx"] {
        run(&["dead-letters", "list", "--status", class]).expect(2, "", "300, 400 or 500");
    }
    run(&["dead-letters", "list", "--endpoint", "books"]).expect(2, "", "give --app too");

    let resend = ["dead-letters", "resend", "--type", "a.b"];
    let plan = run(&[&resend[..], &["--plan"]].concat());
    let plan = plan.expect(0, "2 dead letters would be put back\n  exhausted 2\n", "");
    plan.expect(0, "the throttles make it take 1 s at least", "");
    let plan = json(&run(&[&resend[..], &["--plan", "--json"]].concat()).expect(0, "", ""));
    assert_eq!((&plan["count"], &plan["bytes"]), (&2.into(), &4.into()));
    assert_eq!(of(&[]), 3, "a plan changes nothing");
    down.store(false, Ordering::Relaxed);
    let done = run(&[&resend[..], &["--follow"]].concat());
    done.expect(0, "dead-letter.resend finished qtask_", "").expect(
        0,
        "put back to be sent: 2 of 3 looked at\n",
        "",
    );
    assert_eq!(of(&[]), 1);

    let purge = ["dead-letters", "purge"];
    run(&purge).expect(2, "", "look first with --plan; then give --all");
    run(&[&purge[..], &["--plan"]].concat()).expect(0, "1 dead letter would be given up\n", "");
    let begun = run(&[&purge[..], &["--all", "--json"]].concat()).expect(0, "", "");
    let task = json(&begun)["id"].as_str().unwrap().to_owned();
    let shown = run(&["tasks", "show", &task, "--follow"]);
    shown.expect(0, "dead-letter.purge finished", "").expect(0, "  exhausted 1\n", "");
    assert_eq!(of(&[]), 0);
    let stats = json(&run(&["stats", "--json"]).expect(0, "", ""));
    let number = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!((number("dead"), number("cancelled")), (0, 1));

    let tasks = run(&["tasks", "list"]).expect(0, "dead-letter.purge", "");
    assert_eq!(tasks.out.lines().count(), 3);
    run(&["tasks", "list", "--status", "cancelled"]).expect(0, "no task was found\n", "");
    run(&["tasks", "cancel", &task]).expect(1, "", "the task has ended");
    relay.stop();
}

#[test]
fn a_task_that_is_cancelled() {
    let task = |status: &str, data: Value| {
        json!({
            "id": "qtask_1", "status": status, "task": "endpoint.recover", "data": data,
            "updatedAt": "2026-11-21T00:00:00Z",
        })
    };
    let relay = ScriptedRelay::start(move |asked, before| {
        let cancelled = json!({"lookedAt": 7, "done": 5, "cancelled": true, "error": "it was"});
        let answer = match (asked.line.as_str(), before) {
            ("GET /api/v1/background-task/qtask_1", 0) => {
                task("running", json!({"lookedAt": 1, "done": 1}))
            }
            _ => task("failed", cancelled),
        };
        (200, answer.to_string())
    });
    let run = |arguments: &[&str]| {
        let at = ["--server", &*relay.url, "--token", "sk_test"];
        Folder::new().run(&[arguments, &at].concat())
    };
    let followed = run(&["tasks", "show", "qtask_1", "--follow"]);
    followed.expect(
        1,
        "endpoint.recover cancelled qtask_1\nput back to be sent: 5 of 7 looked at\nit was\n",
        "",
    );
    run(&["tasks", "cancel", "qtask_1"]).expect(0, "cancelled qtask_1\n", "");
    let asked = relay.asked();
    assert_eq!(asked[1].line, "GET /api/v1/background-task/qtask_1");
    assert_eq!(asked[2].line, "POST /api/v1/background-task/qtask_1/cancel");
}

/// A page of which nothing is left by a filter is not the last one.
#[test]
fn an_empty_page_is_not_the_end() {
    let relay = ScriptedRelay::start(|asked, _| {
        let page = match asked.line.contains("iterator=") {
            false => json!({"data": [], "iterator": "dl_1", "prevIterator": null, "done": false}),
            true => json!({"data": [{"id": "dl_2"}], "iterator": "dl_2", "done": true}),
        };
        (200, page.to_string())
    });
    let arguments = ["dead-letters", "list", "--json", "--server", &relay.url, "--token", "sk"];
    Folder::new().run(&arguments).expect(0, "dl_2", "");
}
