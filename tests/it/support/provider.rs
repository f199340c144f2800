//! What a relay fetches from providers, in a test.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use relay::domain::delivery::Outcome;
use relay::engine::answer::Answer;
use relay::engine::transport::{OutgoingRequest, Transport};

/// Answers what it was told to, and remembers what it was asked.
#[derive(Default)]
pub struct Provider {
    pages: Mutex<HashMap<String, (u16, String)>>,
    asked: Mutex<Vec<String>>,
    sent: Mutex<Vec<(String, String)>>,
}

impl Provider {
    /// From now on this URL answers so.
    pub fn has(&self, url: &str, status: u16, body: &str) {
        self.pages.lock().unwrap().insert(url.to_owned(), (status, body.to_owned()));
    }

    /// Method and URL of every call so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// What stood in `authorization`, and the body, of every call so far.
    pub fn sent(&self) -> Vec<(String, String)> {
        self.sent.lock().unwrap().clone()
    }
}

impl Transport for Provider {
    fn send(&self, request: &OutgoingRequest) -> Answer {
        self.asked.lock().unwrap().push(format!("{} {}", request.method, request.url));
        let mut headers = request.headers.iter();
        let authorization = headers.find(|(name, _)| name == "authorization");
        let authorization = authorization.map(|(_, value)| value.clone()).unwrap_or_default();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        self.sent.lock().unwrap().push((authorization, body));
        let (status_code, body) =
            self.pages.lock().unwrap().get(&*request.url).cloned().unwrap_or_default();
        let most = request.answer_limit.unwrap_or(usize::MAX);
        Answer {
            outcome: if status_code == 200 { Outcome::Delivered } else { Outcome::Connect },
            status_code,
            duration: Duration::ZERO,
            headers: Vec::new(),
            is_whole: body.len() <= most,
            body: body.into_bytes().into_iter().take(most).collect(),
            retry_after: None,
        }
    }
}
