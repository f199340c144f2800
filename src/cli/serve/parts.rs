//! The parts of a relay that its configuration makes.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Context;
use url::Url;

use super::PROGRAM;
use crate::cli::failure::{Exit, Failure};
use crate::config::Config;
use crate::config::load::Loaded;
use crate::domain::time::Clock;
use crate::engine::access_token::AccessTokens;
use crate::engine::declare::{self, Declared};
use crate::engine::guard::{AddressGuard, own_addresses};
use crate::engine::intake::Intake;
use crate::engine::permission::Permissions;
use crate::engine::provider_keys::ProviderKeys;
use crate::engine::script::Scripts;
use crate::engine::transport::UreqTransport;
use crate::http::public;
use crate::store::Store;

pub(super) fn listen(config: &Config) -> Result<TcpListener, Failure> {
    TcpListener::bind(config.server.listen)
        .with_context(|| format!("can't listen on {}", config.server.listen))
        .map_err(|error| Failure::new(Exit::Failed, error).hint("set server.listen"))
}

pub(super) fn guard(config: &Config, address: SocketAddr) -> Arc<AddressGuard> {
    Arc::new(AddressGuard::new(config.guard.allow.clone(), own_addresses(&[address])))
}

pub(super) fn scripts(config: &Config) -> Arc<Scripts> {
    let transforms = &config.transforms;
    Arc::new(Scripts::new(transforms.into(), transforms.processes, PROGRAM.into()))
}

pub(super) fn tokens(
    config: &Config,
    clock: &Arc<dyn Clock>,
    transport: &Arc<UreqTransport>,
) -> AccessTokens {
    let timeout = config.egress.token_timeout.0;
    AccessTokens::new(Arc::clone(transport) as _, Arc::clone(clock), timeout)
}

pub(super) fn intake(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    address: SocketAddr,
    transport: &Arc<UreqTransport>,
) -> Intake {
    let base = public::base(config.server.public_url.as_ref(), address);
    let keys = ProviderKeys::new(Arc::clone(transport) as _, Arc::clone(clock));
    Intake::new(store.clone(), Arc::clone(clock), &base, config.sources.clone(), keys)
}

/// Asks receivers in the name of the host that the outside reaches this relay by.
pub(super) fn permissions(config: &Config, address: SocketAddr) -> Arc<Permissions> {
    let base = public::base(config.server.public_url.as_ref(), address);
    let host = Url::parse(&base).ok().and_then(|url| url.host_str().map(str::to_owned));
    Arc::new(Permissions::new(&host.unwrap_or_else(|| address.ip().to_string())))
}

/// Applies what the file declares.
pub(super) fn declare(store: &Store, loaded: &Loaded) -> Result<(), Failure> {
    let declared = Declared::of(&loaded.config, &loaded.secrets);
    for change in declare::apply(store, declared).map_err(Failure::failed)? {
        tracing::info!(change, "relay.toml");
    }
    Ok(())
}
