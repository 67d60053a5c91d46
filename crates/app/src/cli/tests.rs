//! The table of commands as a whole.

use super::Cli;
use clap::CommandFactory as _;

/// Every command that does something, with its path.
fn commands(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
    for sub in command.get_subcommands() {
        let path = format!("{path} {}", sub.get_name());
        found.push((path.clone(), sub.clone()));
        commands(sub, &path, found);
    }
}

#[test]
fn the_table_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_s_help_has_an_example_of_itself() {
    let mut found = Vec::new();
    commands(&Cli::command(), "wattproof", &mut found);
    assert!(found.len() > 25, "{}", found.len());
    for (path, command) in found {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let words: Vec<&str> = path.split(' ').collect();
        let names_itself = words.iter().all(|word| help.contains(word));
        assert!(help.starts_with("Example:\n") && names_itself, "{path}: {help}");
    }
}

#[test]
fn every_argument_is_explained() {
    let mut found = Vec::new();
    commands(&Cli::command(), "wattproof", &mut found);
    for (path, command) in found {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path}: {}", argument.get_id());
        }
    }
}
