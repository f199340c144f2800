//! What a request to an endpoint proves itself with.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;

use crate::domain::delivery_settings::DeliverySettings;
use crate::domain::egress::{ClientCredentials, EndpointAuth, same_place};
use crate::domain::endpoint::Endpoint;
use crate::engine::access_token::{AccessTokens, Grant, NoToken};
use crate::engine::transport::OutgoingRequest;

/// The header that proves a request, for one endpoint.
pub(super) struct Proof {
    header: (String, String),
    /// Where a token in it came from.
    grant: Option<(Grant, Arc<str>)>,
}

/// The proof of requests to `url`; `None` where the endpoint has none, and where a transformation
/// leads to another place than the endpoint's own: what its receiver is shown is for nobody else.
pub(super) fn proof(
    tokens: &AccessTokens,
    endpoint: &Arc<Endpoint>,
    url: &str,
) -> Result<Option<Proof>, NoToken> {
    let DeliverySettings { auth: Some(auth), .. } = &endpoint.delivery else { return Ok(None) };
    if !is_own(endpoint, url) {
        return Ok(None);
    }
    let name = auth.header_name().to_owned();
    let (value, grant) = match auth {
        EndpointAuth::Basic { username, password } => {
            let credentials = STANDARD.encode(format!("{username}:{}", password.expose()));
            (format!("Basic {credentials}"), None)
        }
        EndpointAuth::Bearer { token } => (format!("Bearer {}", token.expose()), None),
        EndpointAuth::Header { value, .. } => (value.expose().to_owned(), None),
        EndpointAuth::Oauth2(client) => {
            let grant = grant(client, endpoint);
            let token = tokens.token(&grant)?;
            (format!("Bearer {token}"), Some((grant, token)))
        }
    };
    Ok(Some(Proof { header: (name, value), grant }))
}

/// Whether a request goes to the endpoint's own place, and not where a transformation leads it.
pub fn is_own(endpoint: &Endpoint, url: &str) -> bool {
    url == endpoint.url || same_place(url, &endpoint.url)
}

fn grant(client: &ClientCredentials, endpoint: &Arc<Endpoint>) -> Grant {
    Grant {
        url: client.token_url.clone(),
        client_id: client.client_id.clone(),
        client_secret: client.client_secret.expose().to_owned(),
        credentials_in: client.credentials_in,
        scope: client.scope.clone(),
        audience: client.audience.clone(),
        endpoint: Some(Arc::clone(endpoint)),
    }
}

impl Proof {
    /// Puts it into a request, in the place of a header of that name.
    pub(super) fn add(&self, request: &mut OutgoingRequest) {
        let (own, value) = &self.header;
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(own));
        request.headers.push((own.clone(), value.clone()));
    }

    /// A new one in the place of one that was refused; `None` where there is no other.
    pub(super) fn renewed(&self, tokens: &AccessTokens) -> Option<Result<Proof, NoToken>> {
        let (grant, refused) = self.grant.as_ref()?;
        if !tokens.refused(grant, refused) {
            return None;
        }
        let token = tokens.token(grant);
        Some(token.map(|token| Proof {
            header: (self.header.0.clone(), format!("Bearer {token}")),
            grant: Some((grant.clone(), token)),
        }))
    }
}
