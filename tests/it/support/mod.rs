//! What every test needs: a store in a folder of its own, and a clock that can be turned.

pub mod acme;
pub mod clock;
pub mod document;
pub mod folder;
pub mod handshake;
pub mod image;
pub mod live;
pub mod model;
pub mod provider;
pub mod random;
pub mod server;
pub mod source;
pub mod walk;
