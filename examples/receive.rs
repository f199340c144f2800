//! Receives what relay delivers: verifies each request and handles each message once.
//!
//! ```sh
//! RELAY_SECRET=whsec_… PORT=3000 cargo run --example receive
//! ```
//!
//! `RELAY_SECRET` is the endpoint's secret, or the `whpk_…` of one that signs with Ed25519.

use std::collections::{HashSet, VecDeque};
use std::env;
use std::error::Error;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use relay::domain::signature::{SignedHeaders, VerifyingKey, verify};
use relay::domain::time::Timestamp;

/// Ids of the messages handled, the newest 10,000. In an application this is a table with a unique
/// column, written in the same transaction as the work, so that both happen or neither.
#[derive(Default)]
struct Handled {
    ids: HashSet<String>,
    oldest_first: VecDeque<String>,
}

impl Handled {
    fn remember(&mut self, id: &str) {
        self.ids.insert(id.to_owned());
        self.oldest_first.push_back(id.to_owned());
        if self.oldest_first.len() > 10_000
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret =
        env::var("RELAY_SECRET").map_err(|_| "set RELAY_SECRET to the whsec_… to check")?;
    let port: u16 = env::var("PORT").unwrap_or_else(|_| "3000".to_owned()).parse()?;
    let key = Data::new(VerifyingKey::parse(&secret)?);
    let handled = Data::new(Mutex::new(Handled::default()));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(key.clone())
            .app_data(handled.clone())
            .app_data(PayloadConfig::new(2 << 20))
            .default_service(web::post().to(receive))
    });
    let server = server.bind(("127.0.0.1", port))?;
    for address in server.addrs() {
        println!("listening on http://{address}");
    }
    server.run().await?;
    Ok(())
}

/// Answers 2xx only when the message is handled; anything else, and relay tries again.
async fn receive(
    request: HttpRequest,
    body: Bytes,
    key: Data<VerifyingKey>,
    handled: Data<Mutex<Handled>>,
) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let id = header("webhook-id").unwrap_or_default();
    let headers = SignedHeaders {
        id,
        timestamp: header("webhook-timestamp").unwrap_or_default(),
        signature: header("webhook-signature").unwrap_or_default(),
    };
    // over the bytes as they came: parse them only after this
    if let Err(error) = verify(&key, headers, &body, now()) {
        println!("refused: {error}");
        return HttpResponse::Unauthorized().body(error.to_string());
    }
    let mut handled = handled.lock().expect("no handler panics while it holds the lock");
    // Delivery is at least once: an answer that got lost makes relay send the same id again.
    if handled.ids.contains(id) {
        println!("duplicate {id}");
        return HttpResponse::NoContent().finish();
    }
    println!("received {id} {}", String::from_utf8_lossy(&body)); // your work goes here
    handled.remember(id);
    HttpResponse::NoContent().finish()
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
