//! What holds for every filter and every event; the table of examples is `tests/it/filters`.

use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Names that mean something, and some that do not.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&FIELDS[..]).prop_map(str::to_owned),
        prop::sample::select(&OPERATORS[..]).prop_map(str::to_owned),
        "[ab]{1}",
        "\\PC{0,4}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[abAB*.(]{0,3}".prop_map(Value::from),
        prop::sample::select(&["body.a", "body[$index].b", "headers.a", "10.0.0.0/8"][..])
            .prop_map(Value::from),
        "\\PC{0,4}".prop_map(Value::from),
    ]
}

/// Any JSON, often much like a filter or a body.
fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A body whose names are those that the filters ask for.
fn body() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[ab]{1}", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// What may stand at a value of the body.
fn wanted() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        scalar(),
        (-2i64..3).prop_map(|number| json!({"$gt": number})),
        (-2i64..3).prop_map(|number| json!({"$lte": number, "$neq": 0})),
        body().prop_map(|value| json!({"$eq": value})),
        "[ab]{1,2}".prop_map(|text| json!({"$in": text})),
        prop::collection::vec("[ab]{1}", 1..3).prop_map(|texts| json!({"$nin": texts})),
        "[ab]{1}".prop_map(|text| json!({"$startsWith": text, "$endsWith": ["a", "b"]})),
        any::<bool>().prop_map(|there| json!({"$exist": there})),
        "[ab*]{1,3}".prop_map(|text| json!({"$ignoreCase": {"$wildcard": text}})),
        Just(json!({"$regex": "^a|b$"})),
        Just(json!({"$ref": "body.a"})),
        Just(json!({"$gte": {"$ref": "body[$index].b"}})),
    ];
    plain.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(Value::from),
            ("[ab]{1}", inner.clone()).prop_map(|(name, value)| json!({name: value})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|list| json!({"$or": list})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|list| json!({"$and": list})),
            inner.clone().prop_map(|value| json!({"$not": value})),
            ("[ab]{1}", inner.clone(), inner)
                .prop_map(|(name, one, other)| json!({name: one, "$or": [other]})),
        ]
    })
}

fn holds(filter: &Value, body: &Value) -> bool {
    let headers = [("A".to_owned(), "ab".to_owned()), ("a".to_owned(), "b".to_owned())];
    let subject = Subject { body: Some(body), headers: &headers, ..Subject::default() };
    let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
    let matches = filter.matches(&subject);
    assert_eq!(filter.explain(&subject).is_none(), matches, "{filter:?}");
    matches
}

proptest! {
    #[test]
    fn any_tree_is_kept_or_refused(filter in tree(), at in tree(), body in tree()) {
        let headers = [("a".to_owned(), "b".to_owned())];
        let subject = Subject { headers: &headers, body: Some(&body), ..Subject::default() };
        for filter in [filter, json!({"body": at})] {
            let parsed = Filter::parse(&filter);
            let text = filter.to_string();
            prop_assert_eq!(&Filter::parse_text(&text), &parsed, "{}", text);
            match parsed {
                Ok(kept) => {
                    prop_assert_eq!(kept.as_json(), &filter);
                    prop_assert_eq!(kept.explain(&subject).is_none(), kept.matches(&subject));
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }

    #[test]
    fn any_text_is_kept_or_refused(text in "[\\[\\]{}:,\"$abor0-9. ]{0,40}") {
        if let Ok(kept) = Filter::parse_text(&text) {
            kept.matches(&Subject::default());
        }
    }

    #[test]
    fn not_is_the_opposite(wanted in wanted(), body in body()) {
        let filter = json!({"body": wanted});
        let matches = holds(&filter, &body);
        prop_assert_eq!(holds(&json!({"$not": filter}), &body), !matches);
        prop_assert_eq!(holds(&json!({"body": {"$not": wanted}}), &body), !matches);
    }

    #[test]
    fn one_alone_in_and_or_or_is_itself(wanted in wanted(), body in body()) {
        let filter = json!({"body": wanted});
        let matches = holds(&filter, &body);
        prop_assert_eq!(holds(&json!({"$and": [filter]}), &body), matches);
        prop_assert_eq!(holds(&json!({"$or": [filter]}), &body), matches);
        prop_assert_eq!(holds(&json!({"body": {"$and": [wanted]}}), &body), matches);
        prop_assert_eq!(holds(&json!({"body": {"$or": [wanted]}}), &body), matches);
    }

    #[test]
    fn and_and_or_are_what_they_say(one in wanted(), other in wanted(), body in body()) {
        let alone = |wanted: &Value| holds(&json!({"body": wanted}), &body);
        let both = |operator: &str, first: &Value, second: &Value| {
            holds(&json!({"body": {operator: [first, second]}}), &body)
        };
        prop_assert_eq!(both("$or", &one, &other), alone(&one) || alone(&other));
        prop_assert_eq!(both("$or", &other, &one), alone(&one) || alone(&other));
        prop_assert_eq!(both("$and", &one, &other), alone(&one) && alone(&other));
        prop_assert_eq!(both("$and", &other, &one), alone(&one) && alone(&other));
    }

    #[test]
    fn every_value_equals_itself_alone(one in body(), other in body()) {
        let equal = |one: &Value, other: &Value| holds(&json!({"body": {"$eq": one}}), other);
        prop_assert!(equal(&one, &one));
        prop_assert_eq!(equal(&one, &other), equal(&other, &one));
        prop_assert_ne!(holds(&json!({"body": {"$neq": one}}), &other), equal(&one, &other));
    }
}

#[test]
fn text_is_read_strictly() {
    let problem = |text: &str| Filter::parse_text(text).map_err(|error| error.to_string());
    for (text, expected) in [
        (r#"{"body": {"a": 1, "b": 2, "a": 3}}"#, "body.a: stands twice"),
        (r#"{"path": "/a", "path": "/a"}"#, "path: stands twice"),
        (r#"{"$or": [{"path": "/"}, {"body": {"a": {"$gt": 1, "$gt": 2}}}]}"#, "$or[1].body.a.$gt"),
        (r#"{"body": {"a": 1}"#, "is not JSON"),
        (r#"{"body": 1} x"#, "is not JSON"),
        (r#"{"body": 1e999}"#, "is not JSON"),
        (r#"{"body": NaN}"#, "is not JSON"),
        ("", "is not JSON"),
        ("{'body': 1}", "is not JSON"),
    ] {
        let error = problem(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let deep = |levels: usize| [&"[".repeat(levels), "1", &"]".repeat(levels)].concat();
    let at = |levels: usize| problem(&format!(r#"{{"body": {}}}"#, deep(levels)));
    assert!(at(FILTER_DEPTH_MAX - 2).is_ok());
    for levels in [FILTER_DEPTH_MAX - 1, 100, 10_000] {
        let error = at(levels).expect_err("too deep");
        assert!(error.contains("32 levels"), "{levels}: {error}");
    }
    let long = |bytes: usize| problem(&format!(r#"{{"path": "{}"}}"#, "a".repeat(bytes - 12)));
    assert!(long(FILTER_BYTES_MAX).is_ok());
    assert!(long(FILTER_BYTES_MAX + 1).expect_err("too long").contains("65536 bytes"));
}

#[test]
fn trees_have_limits() {
    let problem = |tree: &Value| Filter::parse(tree).map_err(|error| error.problem);
    let lists = |lists: usize, rest: usize| {
        let mut members = vec![json!(vec![1; 99]); lists];
        members.extend(vec![json!(1); rest]);
        json!({"body": {"$eq": members}})
    };
    // The object, body, its list and 19 lists of 100 values.
    assert!(problem(&lists(19, FILTER_NODES_MAX - 1_903)).is_ok());
    assert_eq!(problem(&lists(19, FILTER_NODES_MAX - 1_902)), Err(Problem::TooLarge));
    let long = json!({"path": "a".repeat(FILTER_BYTES_MAX)});
    assert_eq!(problem(&long), Err(Problem::TooLong));
    let many = json!({"path": {"$in": vec!["a"; FILTER_LIST_MAX + 1]}});
    assert_eq!(problem(&many), Err(Problem::TooManyMembers));
    // Deeper than any text becomes a tree.
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(problem(&json!({"body": deep})), Err(Problem::TooDeep));
}

/// Steps that were taken, and what came of it.
fn work(filter: &Value, subject: &Subject<'_>) -> (u64, Option<bool>) {
    let filter = Filter::parse(filter).unwrap();
    let ip = OnceCell::new();
    let mut evaluation = Evaluation::new(subject, &ip);
    let verdict = evaluation.run(&filter.pattern).ok();
    assert_eq!(filter.matches(subject), verdict.unwrap_or(false));
    (evaluation.steps(), verdict)
}

#[test]
fn work_grows_with_the_event_and_no_faster() {
    let nested = json!({"body": {"a": [[["x", {"$gt": 1}], {"b": [{"c": "y"}]}], "z"]}});
    let steps = |width: usize| {
        let items = json!({"a": vec![json!([[1, 2], {"b": [{"c": 1}]}]); width]});
        work(&nested, &Subject { body: Some(&items), ..Subject::default() })
    };
    let (small, large) = (steps(100), steps(1_000));
    assert_eq!((small.1, large.1), (Some(false), Some(false)));
    assert!(large.0 <= small.0 * 11, "{small:?} {large:?}");
    let text = |length: usize| {
        let body = Value::from("a".repeat(length));
        let filter = json!({"body": {"$wildcard": "*a*a*a*a*a*a*b"}});
        work(&filter, &Subject { body: Some(&body), ..Subject::default() })
    };
    let (small, large) = (text(10_000), text(100_000));
    assert!(large.0 <= small.0 * 11, "{small:?} {large:?}");
}

#[test]
fn work_beyond_the_budget_is_no_match_either_way() {
    let wide = json!({"a": vec![1; 200_000]});
    let long = Value::from("é".repeat(1_000_000));
    let deep = (0..EVALUATION_DEPTH_MAX + 1).fold(json!(1), |inner, _| json!([inner]));
    let pairs: Vec<(String, String)> = vec![("x".to_owned(), "y".to_owned()); 2_000];
    let alternatives: Vec<Value> = (2..402).map(|number| json!([{"$eq": number}])).collect();
    for (what, wanted, body) in [
        ("each of many asks each of many", json!({"a": {"$or": alternatives}}), &wide),
        ("a reference from every element", json!({"a": [{"$ref": "query.x[0]"}]}), &wide),
        ("an object of many", json!({"a": [{"$ref": "body.a"}]}), &wide),
        ("a long text", json!({"$regex": "x\\w{3}y"}), &long),
        ("a deep list", json!(2), &deep),
    ] {
        let subject = Subject { body: Some(body), query: &pairs, ..Subject::default() };
        for filter in [json!({"body": wanted}), json!({"$not": {"body": wanted}})] {
            let (steps, verdict) = work(&filter, &subject);
            assert_eq!(verdict, None, "{what}: {steps} steps");
            let mismatch = Filter::parse(&filter).unwrap().explain(&subject).unwrap();
            assert!(mismatch.words.contains("1000000 steps"), "{what}: {}", mismatch.words);
        }
    }
    let below = (0..EVALUATION_DEPTH_MAX - 1).fold(json!(1), |inner, _| json!([inner]));
    let (_, verdict) =
        work(&json!({"body": 1}), &Subject { body: Some(&below), ..Subject::default() });
    assert_eq!(verdict, Some(true), "and just within it is told");
}

#[test]
fn why_it_does_not_match() {
    let body = json!({
        "amount": 5,
        "status": "paid",
        "items": [{"id": 1}, {"id": 2}],
        "old": null,
        "long": "x".repeat(200),
    });
    let headers = [("X-Id".to_owned(), "7".to_owned())];
    let channels = ["eu".to_owned()];
    let subject = Subject {
        headers: &headers,
        body: Some(&body),
        path: "/a",
        channels: &channels,
        ..Subject::default()
    };
    let check = |filter: Value, place: &str, words: &str| {
        let found = Filter::parse(&filter).unwrap().explain(&subject);
        let expected = Mismatch { place: place.to_owned(), words: words.to_owned() };
        assert_eq!(found, Some(expected), "{filter}");
    };
    let at = |wanted: Value, place: &str, words: &str| check(json!({"body": wanted}), place, words);
    at(json!({"amount": {"$gt": 10}}), "body.amount", "is 5, wanted $gt 10");
    at(json!({"amount": {"$gt": 1, "$lt": 5}}), "body.amount", "is 5, wanted $lt 5");
    at(json!({"status": "draft"}), "body.status", "is \"paid\", wanted \"draft\"");
    at(json!({"total": "draft"}), "body.total", "is absent, wanted \"draft\"");
    at(json!({"total": {"id": 1}}), "body.total", "is absent, wanted an object");
    at(json!({"old": {"$exist": false}}), "body.old", "is null, wanted $exist false");
    at(json!({"items": {"id": 3}}), "body.items", "is a list of 2, none fits id: 3");
    at(json!({"items": [{"id": 1}, {"id": 3}]}), "body.items", "has no element that fits id: 3");
    at(json!({"status": ["a", "b"]}), "body.status", "is \"paid\", wanted a list with 2 elements");
    at(json!({"$or": [{"amount": 1}, {"amount": 2}]}), "body", "fits none of the 2 of $or");
    at(json!({"$and": [{"amount": 5}, {"amount": 2}]}), "body.amount", "is 5, wanted 2");
    at(json!({"amount": {"$not": 5}}), "body.amount", "fits what $not excludes: 5");
    at(
        json!({"amount": {"$ref": "body.status"}}),
        "body.amount",
        "is 5, wanted the same as body.status, which is \"paid\"",
    );
    at(
        json!({"amount": {"$gt": {"$ref": "body.none"}}}),
        "body.amount",
        "is 5, wanted $gt body.none, which is absent",
    );
    at(
        json!({"status": {"$ignoreCase": {"$startsWith": ["A", "B"]}}}),
        "body.status",
        "is \"paid\", wanted $ignoreCase $startsWith [\"A\",\"B\"]",
    );
    at(
        json!({"status": {"$ignoreCase": "X"}}),
        "body.status",
        "is \"paid\", wanted $ignoreCase \"x\"",
    );
    let long = format!("is \"{}…\", wanted \"y\"", "x".repeat(80));
    at(json!({"long": "y"}), "body.long", &long);
    check(json!({"headers": {"x-ID": "8"}}), "headers.x-id", "is \"7\", wanted \"8\"");
    check(json!({"path": "/a", "verified": true}), "verified", "is false, wanted true");
    check(json!({"channels": "us"}), "channels", "is a list of 1, wanted \"us\"");
    check(json!({"$not": {"path": "/a"}}), "", "fits what $not excludes: path: \"/a\"");
    check(json!({"source": "stripe"}), "source", "is absent, wanted \"stripe\"");
}
