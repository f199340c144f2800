//! Two processes on one data folder: the second says so and ends.

use std::time::Duration;

use crate::support::process::Settings;

#[test]
fn a_second_process_ends_with_a_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(&folder.path().join("data"));
    let relay = settings.start();
    let (status, lines) = settings.spawn().ended();
    assert_eq!(status.code(), Some(75), "{lines:#?}");
    let told = lines.iter().filter(|line| line.contains("in use by another relay")).count();
    assert_eq!(told, 1, "{lines:#?}");
    assert!(lines.len() <= 3, "one line, and what to do: {lines:#?}");
    // The first one has not noticed.
    assert_eq!(relay.client.get("/readyz").unwrap().0, 200);
    relay.stop();
    // And once it has ended, the folder is free.
    let again = settings.start();
    assert!(again.took < Duration::from_secs(60));
    again.stop();
}
