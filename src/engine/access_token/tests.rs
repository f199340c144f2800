use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use super::{
    AccessTokens, Arc, Bytes, CredentialsIn, Duration, Grant, Instant, NoToken, Outcome,
    OutgoingRequest, RENEW_EVERY, Timestamp, Transport,
};
use crate::domain::time::Clock;
use crate::engine::answer::Answer;

/// A clock that a test moves.
#[derive(Clone, Default)]
struct Moved(Arc<Mutex<Duration>>);

impl Moved {
    fn by(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000_000) + *self.0.lock().unwrap()
    }

    fn wall(&self) -> Timestamp {
        self.now()
    }
}

/// A token endpoint: what it says to the number of the request, counted from 1.
struct Server<S> {
    script: S,
    asked: Arc<Mutex<Vec<OutgoingRequest>>>,
}

impl<S: Fn(usize) -> (u16, String) + Send + Sync> Transport for Server<S> {
    fn send(&self, request: &OutgoingRequest) -> Answer {
        let number = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(request.clone());
            asked.len()
        };
        let (status_code, body) = (self.script)(number);
        Answer {
            outcome: if status_code == 0 { Outcome::Dns } else { Outcome::Status },
            status_code,
            duration: Duration::ZERO,
            headers: Vec::new(),
            body: body.into_bytes(),
            is_whole: true,
            retry_after: None,
        }
    }
}

fn tokens(
    script: impl Fn(usize) -> (u16, String) + Send + Sync + 'static,
) -> (AccessTokens, Moved, Arc<Mutex<Vec<OutgoingRequest>>>) {
    tokens_within(Duration::from_secs(20), script)
}

fn tokens_within(
    timeout: Duration,
    script: impl Fn(usize) -> (u16, String) + Send + Sync + 'static,
) -> (AccessTokens, Moved, Arc<Mutex<Vec<OutgoingRequest>>>) {
    let (clock, asked) = (Moved::default(), Arc::new(Mutex::default()));
    let server = Server { script, asked: Arc::clone(&asked) };
    let tokens = AccessTokens::new(Arc::new(server), Arc::new(clock.clone()), timeout);
    (tokens, clock, asked)
}

fn grant(client_id: &str) -> Grant {
    Grant {
        url: "https://token.example/".to_owned(),
        client_id: client_id.to_owned(),
        client_secret: "hush:&".to_owned(),
        credentials_in: CredentialsIn::Header,
        scope: Some("a b".to_owned()),
        audience: None,
        endpoint: None,
    }
}

fn numbered(number: usize, rest: &str) -> (u16, String) {
    (200, format!("{{\"access_token\":\"t{number}\",\"token_type\":\"Bearer\"{rest}}}"))
}

#[test]
fn one_is_kept_until_shortly_before_its_end() {
    let (tokens, clock, asked) = tokens(|number| numbered(number, ",\"expires_in\":3600"));
    let token = || tokens.token(&grant("a")).unwrap();
    assert_eq!((&*token(), &*token()), ("t1", "t1"));
    clock.by(Duration::from_secs(3_600 - 61));
    assert_eq!(&*token(), "t1");
    clock.by(Duration::from_secs(1));
    assert_eq!(&*token(), "t2");
    assert_eq!(&*tokens.token(&grant("b")).unwrap(), "t3", "another client has its own");
    let asked = asked.lock().unwrap();
    let sent = |name: &str| asked[0].headers.iter().find(|(key, _)| key == name).unwrap().1.clone();
    // `a:hush%3A%26`, encoded as in a form.
    assert_eq!(sent("authorization"), "Basic YTpodXNoJTNBJTI2");
    assert_eq!(asked[0].body, Bytes::from("grant_type=client_credentials&scope=a+b"));
}

#[test]
fn id_and_secret_go_into_the_body_where_that_is_asked_for() {
    let (tokens, _, asked) = tokens(|number| numbered(number, ""));
    let grant = Grant {
        credentials_in: CredentialsIn::Body,
        scope: None,
        audience: Some("https://api.example".to_owned()),
        ..grant("a")
    };
    tokens.token(&grant).unwrap();
    let asked = asked.lock().unwrap();
    assert!(asked[0].headers.iter().all(|(name, _)| name != "authorization"));
    let form = "grant_type=client_credentials&audience=https%3A%2F%2Fapi.example&client_id=a\
                &client_secret=hush%3A%26";
    assert_eq!(asked[0].body, Bytes::from(form));
}

#[test]
fn short_lives_and_odd_numbers() {
    let lives = |rest: &'static str, seconds: u64| {
        let (tokens, clock, asked) = tokens(move |number| numbered(number, rest));
        let ask = || {
            tokens.token(&grant("a")).unwrap();
            asked.lock().unwrap().len()
        };
        ask();
        clock.by(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(ask(), 1, "{rest}");
        clock.by(Duration::from_millis(1));
        assert_eq!(ask(), 2, "{rest}");
    };
    lives(",\"expires_in\":40", 30);
    lives(",\"expires_in\":\"3600\"", 3_540);
    lives(",\"expires_in\":1e30", 240);
    lives("", 240);
    // Less than three seconds is too little to be sent anything with it.
    let (tokens, clock, asked) = tokens(|number| numbered(number, ",\"expires_in\":0"));
    tokens.token(&grant("a")).unwrap();
    clock.by(Duration::from_secs(2));
    tokens.token(&grant("a")).unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
    lives(",\"expires_in\":18446744073709551615", 86_400 - 60);
}

#[test]
fn one_thread_asks_for_all() {
    let (open, gate) = mpsc::channel::<()>();
    let (arrive, arrived) = mpsc::channel();
    let (gate, arrive) = (Mutex::new(gate), Mutex::new(arrive));
    let (tokens, _, asked) = tokens(move |number| {
        arrive.lock().unwrap().send(()).unwrap();
        let _ = gate.lock().unwrap().recv();
        numbered(number, "")
    });
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let tokens = tokens.clone();
            thread::spawn(move || tokens.token(&grant("a")).unwrap())
        })
        .collect();
    arrived.recv().unwrap();
    drop(open);
    for thread in threads {
        assert_eq!(&*thread.join().unwrap(), "t1");
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[test]
fn what_lands_for_others_does_not_make_it_wait_longer() {
    let (open, gate) = mpsc::channel::<()>();
    let (arrive, arrived) = mpsc::channel();
    let (gate, arrive) = (Mutex::new(gate), Mutex::new(arrive));
    let (tokens, _, _) = tokens_within(Duration::from_millis(50), move |number| {
        if number == 1 {
            arrive.lock().unwrap().send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
        }
        numbered(number, "")
    });
    let ask = |tokens: &AccessTokens| {
        let tokens = tokens.clone();
        thread::spawn(move || tokens.token(&grant("slow")))
    };
    let asking = ask(&tokens);
    arrived.recv().unwrap();
    let waiting = ask(&tokens);
    let until = Instant::now() + Duration::from_secs(20);
    while !waiting.is_finished() {
        assert!(Instant::now() < until, "it waits anew whenever another token lands");
        tokens.token(&grant("quick")).unwrap();
        tokens.forget(&grant("quick"));
    }
    assert_eq!(waiting.join().unwrap(), Err(super::late_words()));
    drop(open);
    assert_eq!(&*asking.join().unwrap().unwrap(), "t1");
}

#[test]
fn a_refused_one_is_renewed_but_not_all_the_time() {
    let (tokens, clock, asked) = tokens(|number| numbered(number, ""));
    let grant = grant("a");
    let first = tokens.token(&grant).unwrap();
    assert!(tokens.refused(&grant, &first));
    assert!(tokens.refused(&grant, &first), "who is told later shares the new one");
    assert_eq!(&*tokens.token(&grant).unwrap(), "t2");
    assert!(tokens.refused(&grant, &first));
    assert_eq!(&*tokens.token(&grant).unwrap(), "t2");
    assert!(!tokens.refused(&grant, "t2"), "it is refused too: no other for a while");
    clock.by(RENEW_EVERY);
    assert!(tokens.refused(&grant, "t2"));
    assert_eq!(&*tokens.token(&grant).unwrap(), "t3");
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[test]
fn failures_are_told_without_secrets_and_kept_for_a_moment() {
    let check = |status: u16, body: &'static str, outcome: Outcome, words: &str| {
        let (tokens, clock, asked) = tokens(move |_| (status, body.to_owned()));
        let expected = Err(NoToken { outcome, words: words.to_owned() });
        for _ in 0..3 {
            assert_eq!(tokens.token(&grant("a")), expected);
        }
        assert_eq!(asked.lock().unwrap().len(), 1);
        clock.by(super::FAILED_FOR);
        assert_eq!(tokens.token(&grant("a")), expected);
        assert_eq!(asked.lock().unwrap().len(), 2);
    };
    let none = "the token endpoint's answer has no access_token that can be sent";
    check(0, "no connection", Outcome::Dns, "the token endpoint gave no token: no connection");
    check(503, "<html>", Outcome::Token, "the token endpoint answered 503");
    check(
        401,
        "{\"error\":\"invalid_client\",\"error_description\":\"who?\"}",
        Outcome::Token,
        "the token endpoint answered 401: invalid_client, who?",
    );
    check(
        400,
        "{\"error\":\"x\",\"error_description\":\"I was sent hush:&\"}",
        Outcome::Token,
        "the token endpoint answered 400: x",
    );
    for echoed in ["client_secret=hush%3A%26", "Basic YTpodXNoJTNBJTI2"] {
        let body = format!("{{\"error\":\"x\",\"error_description\":\"I was sent {echoed}\"}}");
        check(400, body.leak(), Outcome::Token, "the token endpoint answered 400: x");
    }
    check(200, "{}", Outcome::Token, none);
    check(200, "{\"access_token\":\"a\\r\\nb: c\"}", Outcome::Token, none);
}

#[test]
fn the_number_that_is_kept_is_bounded() {
    let (tokens, _, _) = tokens(|number| numbered(number, ""));
    for number in 0..super::KEPT_MAX + 10 {
        tokens.token(&grant(&number.to_string())).unwrap();
    }
    assert_eq!(tokens.held().len(), super::KEPT_MAX);
}
