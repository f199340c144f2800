use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::{
    AddressGuard, Arc, Duration, GuardedResolver, IpAddr, Mutex, ResolveError, io, thread,
};

const PATIENCE: Duration = Duration::from_secs(20);

fn resolver(
    lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
) -> GuardedResolver {
    let guard = AddressGuard::new(Vec::new(), Vec::new());
    GuardedResolver::new(Arc::new(guard), Box::new(lookup))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

/// As if what is known of the name had been known for so much longer.
fn age(resolver: &GuardedResolver, name: &str, by: Duration) {
    let mut known = resolver.shared.known.write().unwrap();
    let entry = known.get_mut(name).unwrap();
    entry.at = entry.at.checked_sub(by).unwrap();
}

#[test]
fn literals_never_reach_the_lookup() {
    let resolver = resolver(|name| panic!("{name} was looked up"));
    let found = resolver.addresses("8.8.8.8", 443, PATIENCE).unwrap();
    assert_eq!(found, ["8.8.8.8:443".parse().unwrap()]);
    let found = resolver.addresses("[2606:4700::1]", 80, PATIENCE).unwrap();
    assert_eq!(found, ["[2606:4700::1]:80".parse().unwrap()]);
    let blocked = resolver.addresses("127.0.0.1", 80, PATIENCE);
    assert!(matches!(blocked, Err(ResolveError::Blocked(_))), "{blocked:?}");
}

#[test]
fn answers_are_remembered_and_judged_every_time() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let resolver = resolver(move |name| {
        counter.fetch_add(1, Ordering::SeqCst);
        match name {
            "good" => Ok(vec![ip("8.8.8.8"), ip("2606:4700::1")]),
            "mixed" => Ok(vec![ip("8.8.8.8"), ip("10.0.0.1")]),
            "empty" => Ok(Vec::new()),
            "many" => Ok((0..1_000).map(|n| ip(&format!("8.8.{}.{}", n / 250, n % 250))).collect()),
            "many-bad" => Ok([vec![ip("8.8.8.8"); 900], vec![ip("::1")]].concat()),
            _ => Err(io::Error::other("no such name")),
        }
    });
    for _ in 0..3 {
        assert_eq!(resolver.addresses("good", 443, PATIENCE).unwrap().len(), 2);
        assert_eq!(resolver.addresses("many", 443, PATIENCE).unwrap().len(), 16);
        for blocked in ["mixed", "many-bad"] {
            let error = resolver.addresses(blocked, 443, PATIENCE).unwrap_err();
            assert!(matches!(error, ResolveError::Blocked(_)), "{blocked}: {error:?}");
        }
        for missing in ["empty", "missing"] {
            let error = resolver.addresses(missing, 443, PATIENCE).unwrap_err();
            assert!(matches!(error, ResolveError::NotFound(_)), "{missing}: {error:?}");
        }
    }
    assert_eq!(asked.load(Ordering::SeqCst), 6, "each name once");
}

#[test]
fn the_names_that_are_remembered_are_bounded() {
    let resolver = resolver(|_| Ok(vec![ip("8.8.8.8")]));
    let known = || resolver.shared.known.read().unwrap().len();
    for number in 0..super::REMEMBERED_NAMES + 50 {
        resolver.addresses(&format!("host-{number}"), 443, PATIENCE).unwrap();
        assert!(known() <= super::REMEMBERED_NAMES);
    }
    assert_eq!(known(), super::REMEMBERED_NAMES);
    let known = resolver.shared.known.read().unwrap();
    assert!(known.contains_key("host-4100") && !known.contains_key("host-0"), "the oldest went");
}

#[test]
fn what_the_operator_chose_is_not_judged() {
    let resolver = resolver(|_| Ok(vec![ip("10.0.0.1")]));
    let found = |host: &str| resolver.of_operator(host, 3128, PATIENCE).unwrap();
    assert_eq!(found("proxy.example"), ["10.0.0.1:3128".parse().unwrap()]);
    assert_eq!(found("127.0.0.1"), ["127.0.0.1:3128".parse().unwrap()]);
    assert_eq!(found("::1"), ["[::1]:3128".parse().unwrap()]);
    let judged = resolver.addresses("proxy.example", 3128, PATIENCE);
    assert!(matches!(judged, Err(ResolveError::Blocked(_))), "{judged:?}");
}

#[test]
fn one_lookup_serves_everyone_who_waits_and_threads_are_bounded() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let (enter, entered) = mpsc::channel();
    let resolver = Arc::new(resolver(move |name| {
        let _ = enter.send(name.to_owned());
        let _ = gate.lock().unwrap().recv();
        Ok(vec![ip("8.8.8.8")])
    }));
    let ask = |name: String| {
        let resolver = resolver.clone();
        thread::spawn(move || resolver.addresses(&name, 443, PATIENCE))
    };
    let same: Vec<_> = (0..8).map(|_| ask("same".to_owned())).collect();
    assert_eq!(entered.recv().unwrap(), "same");
    let others: Vec<_> = (0..40).map(|n| ask(format!("other-{n}"))).collect();
    for _ in 1..super::THREADS[super::Trust::New as usize] {
        assert!(entered.recv().unwrap().starts_with("other-"));
    }
    let late = resolver.addresses("later", 443, Duration::from_millis(20));
    assert_eq!(late, Err(ResolveError::TimedOut));
    assert!(entered.try_recv().is_err(), "no thread beyond the pool");
    drop(open);
    for asked in same.into_iter().chain(others) {
        assert_eq!(asked.join().unwrap().unwrap().len(), 1);
    }
}

#[test]
fn names_that_fail_leave_room_for_the_others() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Arc::new((Mutex::new(gate), Mutex::new(std::collections::HashSet::new())));
    let seen = gate.clone();
    let (enter, entered) = mpsc::channel();
    let resolver = Arc::new(resolver(move |name| {
        if name == "good" {
            return Ok(vec![ip("8.8.8.8")]);
        }
        if !seen.1.lock().unwrap().insert(name.to_owned()) {
            let _ = enter.send(());
            let _ = seen.0.lock().unwrap().recv();
        }
        Err(io::Error::other("dead zone"))
    }));
    for n in 0..super::LOOKUP_THREADS {
        let name = format!("dead-{n}");
        assert!(resolver.addresses(&name, 443, PATIENCE).is_err());
        // As if the failure were no longer remembered as fresh.
        age(&resolver, &name, super::REMEMBER_FAILURE);
    }
    let again: Vec<_> = (0..super::LOOKUP_THREADS)
        .map(|n| {
            let resolver = resolver.clone();
            thread::spawn(move || resolver.addresses(&format!("dead-{n}"), 443, PATIENCE))
        })
        .collect();
    for _ in 0..super::THREADS[super::Trust::Failed as usize] {
        entered.recv().unwrap();
    }
    assert_eq!(resolver.addresses("good", 443, PATIENCE).unwrap().len(), 1);
    assert!(entered.try_recv().is_err(), "the rest of the dead names wait");
    drop(open);
    for asked in again {
        assert!(asked.join().unwrap().is_err());
    }
}

#[test]
fn names_that_nobody_answers_leave_room_for_known_ones() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let (enter, entered) = mpsc::channel();
    let resolver = Arc::new(resolver(move |name| {
        if name != "known" {
            let _ = enter.send(());
            let _ = gate.lock().unwrap().recv();
        }
        Ok(vec![ip("8.8.8.8")])
    }));
    assert!(resolver.addresses("known", 443, PATIENCE).is_ok());
    let silent: Vec<_> = (0..2 * super::LOOKUP_THREADS)
        .map(|n| {
            let resolver = resolver.clone();
            thread::spawn(move || resolver.addresses(&format!("silent-{n}"), 443, PATIENCE))
        })
        .collect();
    for _ in 0..super::THREADS[super::Trust::New as usize] {
        entered.recv().unwrap();
    }
    // Too old to be used in place of an answer.
    age(&resolver, "known", super::REMEMBER + super::STALE);
    assert_eq!(resolver.addresses("known", 443, PATIENCE).unwrap().len(), 1);
    assert!(entered.try_recv().is_err(), "the rest of them wait");
    drop(open);
    for asked in silent {
        assert!(asked.join().unwrap().is_ok());
    }
}

#[test]
fn a_known_name_outlives_a_resolver_that_hangs() {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let calls = AtomicUsize::new(0);
    let resolver = resolver(move |_| {
        if calls.fetch_add(1, Ordering::SeqCst) > 0 {
            let _ = gate.lock().unwrap().recv();
        }
        Ok(vec![ip("8.8.8.8")])
    });
    let patience = Duration::from_millis(20);
    assert!(resolver.addresses("known", 443, PATIENCE).is_ok());
    age(&resolver, "known", super::REMEMBER);
    assert_eq!(resolver.addresses("known", 443, patience).unwrap().len(), 1);
    age(&resolver, "known", super::STALE);
    let too_old = resolver.addresses("known", 443, patience);
    assert_eq!(too_old, Err(ResolveError::TimedOut));
    drop(open);
}
