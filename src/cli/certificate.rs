//! A certificate that is not believed, told from a server that is not there.

use std::io;

use rustls::{CertificateError, Error};

/// What is wrong with the certificate, when that is why there is no answer.
pub fn refused(error: &ureq::Error) -> Option<&CertificateError> {
    let inner = match error {
        ureq::Error::Io(error) => of_io(error),
        ureq::Error::Rustls(error) => Some(error),
        _ => None,
    };
    match inner? {
        Error::InvalidCertificate(error) => Some(error),
        _ => None,
    }
}

fn of_io(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Why there is no answer, in words that say what can be done about it.
pub fn words(error: &ureq::Error) -> String {
    match refused(error) {
        Some(why) => format!("its certificate is not believed: {why}; --skip-verify takes any"),
        None => error.to_string(),
    }
}
