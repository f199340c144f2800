//! The `relay` binary: parse, dispatch, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // TLS works with the one provider that is installed here. It fails when there is one already,
    // which will do as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    relay::cli::run(std::env::args_os())
}
