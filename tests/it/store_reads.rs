//! Lists with every filter, read in both directions, against a plain model.

use std::time::Duration;

use relay::domain::delivery::Outcome;
use relay::domain::id::{AttemptId, MessageId};
use relay::store::{
    AttemptFilter, MessageFilter, Page, PageRequest, PageStart, Reference, StoredAttempt,
};

use crate::support::folder::{Folder, Open};
use crate::support::model::{Kept, Model};
use crate::support::random::Random;

fn message_filter(random: &mut Random, model: &Model) -> MessageFilter {
    let some = |random: &mut Random| random.below(3) == 0;
    let times: Vec<_> = model.messages.keys().map(|id| id.time()).collect();
    let types = ["invoice.paid", "user.made"].map(str::to_owned);
    MessageFilter {
        channel: some(random).then(|| format!("channel-{}", random.below(2))),
        tag: some(random).then(|| "tag-0".to_owned()),
        event_types: if some(random) { types.to_vec() } else { Vec::new() },
        before: some(random).then(|| times[random.below(times.len())]),
        after: some(random).then(|| times[random.below(times.len())]),
    }
}

fn by_content(filter: &MessageFilter, kept: &Kept) -> bool {
    let message = &kept.message;
    filter.channel.as_ref().is_none_or(|channel| message.channels.contains(channel))
        && filter.tag.as_ref().is_none_or(|tag| message.tags.contains(tag))
        && (filter.event_types.is_empty() || filter.event_types.contains(&message.event_type))
}

/// Reads a whole list in pages, forward from its begin or backward from behind its end.
fn read_all<T, C: Copy + PartialEq>(
    limit: usize,
    descending: bool,
    end: Option<C>,
    id: impl Fn(&T) -> C,
    list: impl Fn(&PageRequest<C>) -> Page<T, C>,
) -> Vec<C> {
    let mut all = Vec::new();
    let mut start = end.map_or(PageStart::First, PageStart::Before);
    loop {
        let page = list(&PageRequest { limit, start, descending });
        assert!(page.items.len() <= limit);
        let ids: Vec<C> = page.items.iter().map(&id).collect();
        let next = if end.is_some() { ids.first() } else { ids.last() }.copied();
        if end.is_some() {
            all.splice(0..0, ids);
        } else {
            all.extend(ids);
        }
        match next {
            Some(next) if end.is_some() => start = PageStart::Before(next),
            Some(next) => start = PageStart::After(next),
            None => assert!(page.done),
        }
        if page.done {
            return all;
        }
    }
}

fn check_messages(open: &Open, model: &Model, random: &mut Random) {
    let filter = message_filter(random, model);
    let passes = |(id, kept): &(&MessageId, &Kept)| {
        by_content(&filter, kept)
            && filter.before.is_none_or(|before| id.time() < before)
            && filter.after.is_none_or(|after| id.time() > after)
    };
    let mut expected: Vec<MessageId> =
        model.messages.iter().filter(passes).map(|(id, _)| *id).collect();
    let (limit, descending) = (1 + random.below(40), random.below(2) == 0);
    if descending {
        expected.reverse();
    }
    let list =
        |page: &PageRequest<MessageId>| open.store.list_messages(model.application, &filter, page);
    let found = read_all(limit, descending, None, |stored| stored.message.id, list);
    assert_eq!(found, expected, "{filter:?} {limit} {descending}");
    if let Some(last) = expected.pop() {
        let found = read_all(limit, descending, Some(last), |stored| stored.message.id, list);
        assert_eq!(found, expected, "back from {last:?}: {filter:?} {limit} {descending}");
    }
}

fn check_attempts(open: &Open, model: &Model, random: &mut Random) {
    let endpoint = model.endpoints[random.below(model.endpoints.len())];
    let filter = AttemptFilter {
        delivered: (random.below(3) == 0).then(|| random.below(2) == 0),
        status_code_class: (random.below(3) == 0).then(|| [200, 500][random.below(2)]),
        messages: MessageFilter { before: None, after: None, ..message_filter(random, model) },
        endpoint: None,
    };
    let mut expected: Vec<AttemptId> = Vec::new();
    for (id, kept) in &model.messages {
        let stored = open.store.message(model.application, &Reference::Id(*id)).unwrap();
        for attempt in &kept.deliveries[&endpoint].attempt_ids {
            let found = open.store.attempt(&stored, *attempt).unwrap().attempt;
            let delivered = found.outcome == Outcome::Delivered;
            let wanted = by_content(&filter.messages, kept)
                && filter.delivered.is_none_or(|wanted| wanted == delivered)
                && filter.status_code_class.is_none_or(|class| class == found.status_code);
            expected.extend(wanted.then_some(*attempt));
        }
    }
    expected.sort_unstable();
    let (limit, descending) = (1 + random.below(20), random.below(2) == 0);
    if descending {
        expected.reverse();
    }
    let id = |stored: &StoredAttempt| stored.attempt.id;
    let list =
        |page: &PageRequest<AttemptId>| open.store.list_endpoint_attempts(endpoint, &filter, page);
    assert_eq!(read_all(limit, descending, None, id, list), expected, "{filter:?}");
    if let Some(last) = expected.pop() {
        assert_eq!(read_all(limit, descending, Some(last), id, list), expected, "{filter:?}");
    }
}

#[test]
fn lists_are_those_of_a_plain_model() {
    let folder = Folder::new();
    let mut open = folder.open();
    let mut random = Random::new(41);
    let mut model = Model::new(&open, 3);
    for round in 0..12 {
        for _ in 0..25 {
            let body = random.bytes(30);
            model.accept(&open, &mut random, body);
            folder.clock.advance(Duration::from_millis(random.below(3) as u64));
        }
        model.settle(&open, &mut random, 30);
        for _ in 0..6 {
            check_messages(&open, &model, &mut random);
            check_attempts(&open, &model, &mut random);
        }
        model.check(&open);
        if round % 4 == 3 {
            open.stop();
            open = folder.open();
        }
    }
    open.stop();
}
