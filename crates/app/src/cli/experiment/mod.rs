//! `wattproof experiment`: the paper's mining experiment, repeated, and what a difficulty that follows time does.
//!
//! Here, as in `bench`, are fractions: nothing of it is signed or stored.

mod attempts;
mod block_time;
mod difficulty;
mod figure;
mod random;
mod statistics;

use super::{Trouble, amount};
use crate::web::i18n::Texts;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use units::Millis;

#[derive(Debug, Subcommand)]
pub(super) enum ExperimentCommand {
    /// The paper's table 3 and figure 31: attempts for a block at each level, beside theory and the paper's own figures.
    #[command(
        after_help = "Example:\n  wattproof experiment difficulty --levels 1-5 --runs 50 --csv nonces.csv --svg nonces.svg"
    )]
    Difficulty(DifficultyArgs),
    /// How steady blocks come when hash power doubles, halves and vanishes: at a fixed level, and at a difficulty that
    /// follows time. Simulated.
    #[command(after_help = "Example:\n  wattproof experiment block-time --target 10s --svg block-time.svg")]
    BlockTime(BlockTimeArgs),
}

/// Where the outcome goes besides the terminal.
#[derive(Debug, Args)]
struct Outputs {
    /// Write every measured block as comma-separated values.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw it.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Show JSON.
    #[arg(long)]
    json: bool,
}

impl Outputs {
    fn write(&self, csv: impl FnOnce() -> String, svg: impl FnOnce() -> String) -> Result<(), Trouble> {
        if let Some(path) = &self.csv {
            write(path, &csv())?;
        }
        if let Some(path) = &self.svg {
            write(path, &svg())?;
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct DifficultyArgs {
    /// A level, or the first and the last one.
    #[arg(long, value_name = "LEVELS", default_value = "1-5", value_parser = levels)]
    levels: (u8, u8),
    /// Consecutive blocks of each level.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=RUNS_MAX))]
    runs: u32,
    /// Which chain: the same number gives the same nonces everywhere.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    outputs: Outputs,
}

/// Blocks of a level: at level 5 this many take a day of one core.
const RUNS_MAX: i64 = 1_000_000;

#[derive(Debug, Args)]
pub(super) struct BlockTimeArgs {
    /// The block time aimed at.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = amount::span)]
    target: Millis,
    /// How far ahead of schedule doubles the difficulty [default: 60 block times]
    #[arg(long, value_name = "TIME", value_parser = amount::span)]
    half_life: Option<Millis>,
    /// How often the course is simulated.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Which random numbers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    outputs: Outputs,
}

pub(super) fn experiment(command: &ExperimentCommand, texts: Texts) -> Result<ExitCode, Trouble> {
    match command {
        ExperimentCommand::Difficulty(args) => difficulty::run(args, texts),
        ExperimentCommand::BlockTime(args) => block_time::run(args, texts),
    }
}

/// `3` or `1-5`.
fn levels(text: &str) -> Result<(u8, u8), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if (1..=last).contains(&first) && last <= 5 => Ok((first, last)),
        _ => Err(format!("`{text}` is not levels such as 3 or 1-5")),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    std::fs::write(path, text).map_err(|error| {
        let path = path.display();
        Trouble::environment(
            format_args!("{path}: {error}"),
            "name a file in a folder that exists and that you may write",
        )
    })
}

/// Columns as wide as what is in them, the first aligned left, the others right. A Chinese character takes two places.
fn table(rows: &[Vec<String>]) -> String {
    let places = |cell: &String| cell.chars().map(|c| if c >= '\u{2e80}' { 2 } else { 1 }).sum::<usize>();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column| rows.iter().filter_map(|row: &Vec<String>| row.get(column)).map(places).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let padded = |(column, cell): (usize, &String)| {
        let space = " ".repeat(widths[column].saturating_sub(places(cell)));
        if column == 0 { format!("{cell}{space}") } else { format!("{space}{cell}") }
    };
    let line =
        |row: &Vec<String>| row.iter().enumerate().map(padded).collect::<Vec<_>>().join("  ").trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_one_or_a_span() {
        assert_eq!((levels("3"), levels("1-5"), levels("2-2")), (Ok((3, 3)), Ok((1, 5)), Ok((2, 2))));
        for wrong in ["", "0", "6", "5-1", "1-6", "1-", "-3", "a"] {
            assert!(levels(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn columns_line_up_in_both_languages() {
        let rows = [["等級", "x"], ["1", "1,234"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows), "等級      x\n1     1,234");
    }
}
