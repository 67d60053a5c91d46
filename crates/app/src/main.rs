//! The program `wattproof`: flags, settings, routes, pages and wiring. What is true about energy is decided below it.

mod bench;
mod bills;
mod cli;
mod clock;
mod community;
mod demo;
mod export;
mod hex;
mod import;
mod key_file;
mod language;
mod paper;
mod reach;
mod readings_csv;
mod voltage;
mod web;

use clap::Parser as _;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let told = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(cli.told()));
    tracing_subscriber::fmt().with_env_filter(told).with_writer(std::io::stderr).init();
    match cli::run(cli) {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("error: {trouble}\n  -> {}", trouble.remedy());
            trouble.exit_code()
        }
    }
}
