//! Messages and the schemas of their event types: `intake.schemas` says whether they are checked
//! and what becomes of one that does not fit.

use std::sync::Arc;

use actix_web::web;
use bytes::Bytes;

use super::call::Call;
use crate::config::SchemaCheck;
use crate::domain::schema::{Checked, Fault, STEPS_MAX};
use crate::http::error::{ApiError, Problem};
use crate::http::schemas;
use crate::metrics::{SchemaAnswer, SchemaLabels};

/// What is told of a fault where not all is shown.
const HIDDEN_FAULT: &str =
    "does not fit the schema of the event type; how is not told, as it is not shown (redact)";

/// What is checked: a payload and where it stands in the request.
pub(super) struct Payload<'call> {
    pub event_type: &'call str,
    pub bytes: &'call Bytes,
    pub location: &'call [&'call str],
}

/// Checks a message about to be accepted, as `intake.schemas` has it.
pub(super) async fn check(call: &Call, payload: Payload<'_>) -> Result<(), ApiError> {
    let state = &call.shared.state;
    let mode = state.config.intake.schemas;
    if mode == SchemaCheck::Off {
        return Ok(());
    }
    let Some(event_type) = call.store().event_type(payload.event_type) else { return Ok(()) };
    let (shared, bytes) = (call.shared.clone(), payload.bytes.clone());
    let checked = web::block(move || shared.schemas.check(&event_type, &bytes))
        .await
        .map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))?;
    let name = payload.event_type;
    let faults = match checked {
        None | Some(Ok(Checked::Fits)) => return Ok(()),
        Some(Ok(Checked::Unfit(faults))) => faults,
        Some(Ok(Checked::TooMuch)) => vec![Fault {
            path: Vec::new(),
            words: format!(
                "can't be checked against the schema of {name} within {STEPS_MAX} steps: send a \
                 smaller payload, or make the schema simpler"
            ),
        }],
        Some(Err(unusable)) => {
            let (version, fault) = (&unusable.version, &unusable.fault.words);
            tracing::error!(
                event_type = name,
                version,
                fault,
                "a schema can't be used; correct it"
            );
            return Ok(());
        }
    };
    let refused = mode == SchemaCheck::Reject;
    let answer = if refused { SchemaAnswer::refused } else { SchemaAnswer::accepted };
    state.metrics.schema_faults.get_or_create(&SchemaLabels { answer }).inc();
    if refused {
        let redaction = call.redaction();
        let hidden = |fault: Fault| match redaction.touches(&fault.path) {
            // The words quote what stands there.
            true => Fault { words: HIDDEN_FAULT.to_owned(), ..fault },
            false => fault,
        };
        return Err(invalid(payload.location, faults.into_iter().map(hidden).collect()));
    }
    // Where, and not what: a payload has no place in the log.
    let at = faults.first().map(|fault| fault.path.join("."));
    tracing::warn!(
        application = call.parameter("app"),
        event_type = name,
        at,
        faults = faults.len(),
        "a message does not fit the schema of its event type"
    );
    Ok(())
}

fn invalid(location: &[&str], faults: Vec<Fault>) -> ApiError {
    let problem = |fault: Fault| {
        let location = ["body"].iter().chain(location).map(|part| (*part).to_owned());
        let loc = location.chain(fault.path).collect();
        Problem { loc, msg: fault.words, kind: "value_error" }
    };
    ApiError::Invalid(faults.into_iter().map(problem).collect())
}

/// Refuses schemas by version of which one is no JSON schema; away from the threads that serve.
pub(super) async fn check_versions(versions: Option<&str>) -> Result<(), ApiError> {
    let Some(versions) = versions.map(Arc::<str>::from) else { return Ok(()) };
    let checked = web::block(move || schemas::check_versions(&versions))
        .await
        .map_err(|_| ApiError::Busy("the relay is stopping".to_owned()))?;
    checked.map_err(|faults| invalid(&["schemas"], faults))
}
