//! The `relay` binary: parse, dispatch, exit code.

use std::process::ExitCode;

/// Gives back what a burst took, and takes less of the processors: docs/performance.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // TLS works with the one provider that is installed here. It fails when there is one already,
    // which will do as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    relay::cli::run(std::env::args_os())
}
