//! Sends a message through relay, safely: run it twice and it is still delivered once.
//!
//! ```sh
//! RELAY_SERVER=http://127.0.0.1:8080 RELAY_TOKEN=sk_… cargo run --example send -- 1042
//! ```

use std::env;
use std::error::Error;
use std::thread;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let relay = env::var("RELAY_SERVER").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let token = env::var("RELAY_TOKEN").map_err(|_| "set RELAY_TOKEN to a key of your relay")?;
    let invoice: u64 = env::args().nth(1).unwrap_or_else(|| "1042".to_owned()).parse()?;

    let message = serde_json::json!({
        "eventType": "invoice.paid",
        "payload": { "type": "invoice.paid", "data": { "invoice": invoice } },
    });
    // Made from what happened, not from chance: a second try after a crash has the same key, and
    // relay answers it as it answered the first.
    let key = format!("invoice-{invoice}-paid");
    let answer = send(&relay, &token, &key, &message.to_string())?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    println!("accepted {}", answer["id"].as_str().ok_or("the answer has no id")?);
    Ok(())
}

/// Posts the message; tries again while the relay can't be reached or answers 5xx, and only then.
fn send(relay: &str, token: &str, key: &str, message: &str) -> Result<String, Box<dyn Error>> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(30)))
        .http_status_as_error(false)
        .build()
        .into();
    let mut failure = String::new();
    for pause in [100, 500, 2_500, 0] {
        let answer = agent
            .post(format!("{relay}/api/v1/app/default/msg"))
            .header("authorization", format!("Bearer {token}"))
            .header("idempotency-key", key)
            .content_type("application/json")
            .send(message);
        match answer {
            Ok(mut answer) => {
                let text = answer.body_mut().read_to_string()?;
                match answer.status().as_u16() {
                    200..=299 => return Ok(text),
                    status if status < 500 => return Err(format!("{status}: {text}").into()),
                    status => failure = format!("{status}: {text}"),
                }
            }
            Err(error) => failure = error.to_string(),
        }
        thread::sleep(Duration::from_millis(pause));
    }
    Err(failure.into())
}
