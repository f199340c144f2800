//! Colours, pipes, help and completions.

use std::process::Stdio;

use crate::support::{Folder, ended};

#[test]
fn completions_for_the_usual_shells() {
    let folder = Folder::new();
    folder.run(&["completions", "bash"]).expect(0, "complete -F _relay", "");
    folder.run(&["completions", "zsh"]).expect(0, "#compdef relay", "");
    folder.run(&["completions", "fish"]).expect(0, "complete -c relay", "");
    folder.run(&["completions", "cmd"]).expect(2, "", "possible values");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let folder = Folder::new();
    let check = |arguments: &[&str], variables: &[(&str, &str)], coloured: bool| {
        let mut command = folder.command(arguments);
        let ended = ended(command.envs(variables.iter().copied()));
        let all = format!("{}{}", ended.out, ended.err);
        assert_eq!(all.contains('\u{1b}'), coloured, "{arguments:?} {variables:?} {all:?}");
    };
    let force = ("CLICOLOR_FORCE", "1");
    let wrong = ("RELAY__SERVER__WORKERS", "0");
    check(&["check"], &[], false);
    check(&["check"], &[force], true);
    check(&["check"], &[force, ("NO_COLOR", "1")], false);
    check(&["check"], &[wrong, force], true);
    check(&["check"], &[wrong, force, ("NO_COLOR", "1")], false);
    check(&["check", "--color", "always"], &[("NO_COLOR", "1")], true);
    check(&["check", "--color", "never"], &[force], false);
    check(&["config", "print"], &[wrong, force, ("NO_COLOR", "1")], false);
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let folder = Folder::new();
    let calls = [
        &["completions", "bash"][..],
        &["config", "print"],
        &["config", "print", "--json"],
        &["check"],
        &["token", "create"],
        &["source", "providers"],
        &["--help"],
    ];
    for arguments in calls {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = folder.command(arguments);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?} {told}");
        assert!(!told.contains("panicked") && !told.contains("error"), "{arguments:?} {told}");
    }
}

#[test]
fn help_and_wrong_calls() {
    let folder = Folder::new();
    folder.run(&["--help"]).expect(0, "Usage: relay", "");
    folder.run(&["--version"]).expect(0, "relay ", "");
    folder.run(&[]).expect(2, "", "Usage: relay");
    folder.run(&["chek"]).expect(2, "", "unrecognized subcommand 'chek'");
}
