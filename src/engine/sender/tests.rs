use std::sync::mpsc;

use super::{Arc, Bound, Duration, Instant, Mutex, SenderPool, drain, thread};

const LONG: Duration = Duration::from_secs(20);

/// Waits until a state shows that no channel tells of.
fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "the state never came");
        thread::yield_now();
    }
}

/// A pool whose jobs report that they began and wait at a gate.
struct Gated {
    pool: SenderPool<usize>,
    begun: mpsc::Receiver<usize>,
    gate: mpsc::Sender<()>,
}

impl Gated {
    fn new(max_threads: usize) -> Gated {
        Gated::within(&Bound::new(max_threads))
    }

    fn within(bound: &Arc<Bound>) -> Gated {
        let (begin, begun) = mpsc::channel();
        let (gate, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let pool = SenderPool::new(bound, move |job| {
            let _ = begin.send(job);
            let _ = wait.lock().unwrap().recv();
        });
        Gated { pool, begun, gate }
    }

    fn submit(&self, jobs: usize) {
        for job in 0..jobs {
            assert_eq!(self.pool.submit(job), Ok(()));
        }
    }

    fn await_begun(&self, jobs: usize) {
        for _ in 0..jobs {
            self.begun.recv_timeout(LONG).expect("a job began");
        }
    }
}

#[test]
fn an_idle_thread_takes_the_next_job() {
    let gated = Gated::new(16);
    for job in 0..50 {
        gated.pool.submit(job).unwrap();
        gated.await_begun(1);
        gated.gate.send(()).unwrap();
        until(|| gated.pool.load().idle == 1);
    }
    assert_eq!(gated.pool.load().threads, 1);
}

#[test]
fn grows_while_jobs_wait_and_never_beyond_its_limit() {
    let gated = Gated::new(super::EAGER + 20);
    gated.submit(super::EAGER + 30);
    gated.await_begun(super::EAGER + 20);
    let load = gated.pool.load();
    assert_eq!((load.threads, load.idle, load.queued), (super::EAGER + 20, 0, 10));
    for _ in 0..super::EAGER + 30 {
        gated.gate.send(()).unwrap();
    }
    gated.await_begun(10);
    until(|| gated.pool.load().idle == super::EAGER + 20);
}

#[test]
fn pools_share_their_threads() {
    const THREADS: usize = super::EAGER + 8;
    let bound = Bound::new(THREADS);
    let pools = [Gated::within(&bound), Gated::within(&bound)];
    let threads = || pools.iter().map(|gated| gated.pool.load().threads).sum::<usize>();
    for turn in 0..6 {
        let [busy, lends] = [&pools[turn % 2], &pools[(turn + 1) % 2]];
        // What one has taken the other can't, and it waits.
        busy.submit(THREADS - 1);
        busy.await_begun(THREADS - 1);
        lends.submit(2);
        lends.await_begun(1);
        assert_eq!(threads(), THREADS);
        assert_eq!(lends.pool.load().queued, 1);
        for _ in 0..THREADS - 1 {
            busy.gate.send(()).unwrap();
        }
        // As soon as one is idle there, it is had here.
        lends.await_begun(1);
        assert_eq!(threads(), THREADS);
        lends.gate.send(()).unwrap();
        lends.gate.send(()).unwrap();
        until(|| pools.iter().map(|gated| gated.pool.load().idle).sum::<usize>() == threads());
    }
}

#[test]
fn one_thread_is_enough_for_two_pools() {
    let bound = Bound::new(1);
    let pools = [Gated::within(&bound), Gated::within(&bound)];
    for turn in 0..20 {
        let gated = &pools[turn % 2];
        gated.submit(1);
        gated.await_begun(1);
        assert_eq!(gated.pool.load().threads, 1);
        gated.gate.send(()).unwrap();
    }
}

#[test]
fn idle_threads_end_and_come_back() {
    let (done, results) = mpsc::channel();
    let pool = SenderPool::with_idle(
        &Bound::new(1),
        Duration::from_millis(1),
        false,
        move |job: usize| {
            let _ = done.send(job);
        },
    );
    for job in 0..200 {
        pool.submit(job).unwrap();
        assert_eq!(results.recv_timeout(LONG), Ok(job));
        if job % 10 == 0 {
            until(|| pool.load().threads == 0);
        }
    }
}

#[test]
fn a_drain_releases_what_was_not_begun_and_waits_for_the_rest() {
    let gated = Gated::new(2);
    gated.submit(5);
    gated.await_begun(2);
    drop(gated.gate);
    let drained = drain(&[&gated.pool], LONG, || panic!("nothing had to be interrupted"));
    // The gate opened first, so threads may have taken more in between.
    let begun = 2 + gated.begun.try_iter().count();
    assert_eq!(drained.released, (begun..5).collect::<Vec<_>>());
    assert_eq!((drained.interrupted, drained.running), (false, 0));
    assert_eq!(gated.pool.submit(9), Err(9));
}

#[test]
fn a_drain_interrupts_what_does_not_end() {
    let gated = Gated::new(1);
    gated.submit(3);
    gated.await_begun(1);
    let gate = gated.gate;
    let drained = drain(&[&gated.pool], Duration::from_millis(20), move || drop(gate));
    assert_eq!(drained.released, [1, 2]);
    assert_eq!((drained.interrupted, drained.running), (true, 0));
}

#[test]
fn a_pool_that_steps_back_leaves_the_processors_to_others() {
    let (done, results) = mpsc::channel();
    let priority = move |()| {
        let _ = done.send(rustix::process::getpriority_process(None).unwrap());
    };
    let bound = Bound::new(2);
    let usual = rustix::process::getpriority_process(None).unwrap();
    let pools =
        [SenderPool::new(&bound, priority.clone()), SenderPool::stepping_back(&bound, priority)];
    for (pool, back) in pools.iter().zip([0, super::STEP_BACK]) {
        pool.submit(()).unwrap();
        assert_eq!(results.recv_timeout(LONG), Ok((usual + back).min(19)));
    }
}

#[test]
fn a_panic_costs_its_thread_and_no_more() {
    let (done, results) = mpsc::channel();
    let pool = SenderPool::new(&Bound::new(1), move |job: usize| {
        assert_ne!(job, 0, "this panic is part of the test");
        let _ = done.send(job);
    });
    pool.submit(0).unwrap();
    until(|| pool.load().threads == 0);
    pool.submit(1).unwrap();
    assert_eq!(results.recv_timeout(LONG), Ok(1));
    assert_eq!(drain(&[&pool], LONG, || ()).running, 0);
}
