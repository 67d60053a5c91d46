//! The report of the paper's experiment: a table with theory and the paper's figures beside ours, CSV, and its figure 31.

use super::attempts::{self, Run};
use super::figure::{self, Panel};
use super::statistics::{self, Fit, SIGNIFICANCE, Summary};
use super::{DifficultyArgs, table};
use crate::cli::Trouble;
use crate::cli::terminal::{note, say, say_json};
use crate::paper;
use crate::web::format::group_number;
use crate::web::i18n::{Lang, Texts};
use ledger::difficulty_of_level;
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often a long search tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// What a level came to.
#[derive(Debug, Serialize)]
struct LevelView {
    level: u8,
    runs: usize,
    mean_nonce: f64,
    /// 16^level.
    theory: u64,
    standard_error: f64,
    /// 95 %, of the mean.
    interval: [f64; 2],
    seconds: f64,
    attempts_per_second: f64,
    /// Probability, if the theory holds, of a mean, and of a distribution, this far from it.
    mean_probability: f64,
    shape_probability: f64,
    fits: bool,
    paper_mean_nonce: f64,
    paper_mean_probability: f64,
    paper_shape_probability: f64,
    paper_fits: bool,
}

impl LevelView {
    fn of(level: u8, runs: &[Run]) -> Self {
        let difficulty = difficulty_of_level(level);
        let (ours, papers) = (nonces(runs), paper::nonces(level));
        let (summary, paper_summary) = (summarized(&ours), summarized(&papers));
        let (fit, paper_fit) = (Fit::of(&ours, difficulty), Fit::of(&papers, difficulty));
        let seconds = runs.iter().map(|run| run.time).sum::<Duration>().as_secs_f64();
        let (low, high) = statistics::interval(summary.mean, summary.count);
        Self {
            level,
            runs: runs.len(),
            mean_nonce: summary.mean,
            theory: difficulty,
            standard_error: summary.error(),
            interval: [low, high],
            seconds,
            attempts_per_second: ours.iter().sum::<u64>() as f64 / seconds.max(1e-9),
            mean_probability: fit.mean,
            shape_probability: fit.shape,
            fits: fit.holds(),
            paper_mean_nonce: paper_summary.mean,
            paper_mean_probability: paper_fit.mean,
            paper_shape_probability: paper_fit.shape,
            paper_fits: paper_fit.holds(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Report {
    seed: u64,
    significance: f64,
    levels: Vec<LevelView>,
}

fn nonces(runs: &[Run]) -> Vec<u64> {
    runs.iter().map(|run| run.nonce).collect()
}

fn summarized(nonces: &[u64]) -> Summary {
    Summary::of(&nonces.iter().map(|nonce| *nonce as f64).collect::<Vec<_>>())
}

pub(super) fn run(args: &DifficultyArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let (first, last) = args.levels;
    let found: Vec<Vec<Run>> = (first..=last).map(|level| search(level, args, texts)).collect();
    args.outputs.write(|| csv(&found), || svg(&found))?;
    let levels = found.iter().zip(first..).map(|(runs, level)| LevelView::of(level, runs)).collect();
    let report = Report { seed: args.seed, significance: SIGNIFICANCE, levels };
    if args.outputs.json {
        say_json(&report);
    } else {
        show(&report, texts);
    }
    Ok(ExitCode::SUCCESS)
}

/// One level's blocks; a long search says now and then how far it is.
fn search(level: u8, args: &DifficultyArgs, texts: Texts) -> Vec<Run> {
    let mut told = Instant::now();
    attempts::chain(level, args.runs, args.seed, |found| {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            let figures = [("level", level.to_string()), ("found", found.to_string()), ("runs", args.runs.to_string())];
            note(texts.with("cli-exp-progress", &figures.each_ref().map(|(name, value)| (*name, value.as_str()))));
        }
    })
}

fn show(report: &Report, texts: Texts) {
    let heads = ["level", "runs", "mean", "theory", "error", "interval", "fits", "time", "rate", "paper", "paper-fits"];
    let mut rows = vec![heads.map(|head| texts.get(&format!("cli-exp-{head}"))).to_vec()];
    rows.extend(report.levels.iter().map(|level| row(level, texts)));
    say(table(&rows));
    let [fitting, other, papers] = [
        levels_with(report, |level| level.fits),
        levels_with(report, |level| !level.fits),
        levels_with(report, |level| !level.paper_fits),
    ];
    say("");
    say(texts.with("cli-exp-total", &[("fitting", &fitting), ("other", &other), ("papers", &papers)]));
    say(texts.get("cli-exp-tests"));
}

fn row(level: &LevelView, texts: Texts) -> Vec<String> {
    let fits = |fits, mean: f64, shape: f64| {
        let verdict = texts.get(if fits { "cli-exp-yes" } else { "cli-exp-no" });
        format!("{verdict} ({} / {})", probability(mean), probability(shape))
    };
    vec![
        level.level.to_string(),
        level.runs.to_string(),
        decimal(level.mean_nonce),
        group_number(level.theory),
        decimal(level.standard_error),
        format!("{}..{}", decimal(level.interval[0]), decimal(level.interval[1])),
        fits(level.fits, level.mean_probability, level.shape_probability),
        format!("{:.3} s", level.seconds),
        decimal(level.attempts_per_second),
        decimal(level.paper_mean_nonce),
        fits(level.paper_fits, level.paper_mean_probability, level.paper_shape_probability),
    ]
}

fn probability(value: f64) -> String {
    if value < 0.001 { "< 0.001".to_owned() } else { format!("{value:.3}") }
}

/// Two places behind the point below a thousand, none above.
fn decimal(value: f64) -> String {
    if value < 1_000.0 {
        return format!("{value:.2}");
    }
    format!("{value:.0}").parse().map_or_else(|_| format!("{value:.0}"), group_number)
}

fn levels_with(report: &Report, wanted: impl Fn(&LevelView) -> bool) -> String {
    let levels = report.levels.iter().filter(|level| wanted(level)).map(|level| level.level.to_string());
    let levels = levels.collect::<Vec<_>>().join(", ");
    if levels.is_empty() { "-".to_owned() } else { levels }
}

/// The columns that the paper's table can be compared with.
fn csv(found: &[Vec<Run>]) -> String {
    let mut text = "level,run,attempts,nonce,seconds\n".to_owned();
    for Run { level, number, nonce, time } in found.iter().flatten() {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{level},{number},{nonce},{nonce},{:.9}", time.as_secs_f64());
    }
    text
}

fn svg(found: &[Vec<Run>]) -> String {
    let panels = found.iter().flat_map(|runs| {
        let level = runs.first()?.level;
        let points = |nonces: &[u64]| {
            (1u32..).zip(nonces).map(|(run, nonce)| (f64::from(run), *nonce as f64)).collect::<Vec<_>>()
        };
        Some(Panel {
            title: format!("{} {level} / level {level}", Texts::of(Lang::ZhTw).get("cli-exp-level")),
            span: f64::from(u32::try_from(runs.len().max(50)).unwrap_or(50)),
            line: difficulty_of_level(level) as f64,
            dots: points(&nonces(runs)),
            crosses: points(&paper::nonces(level)),
        })
    });
    let [zh, en] = Lang::ALL.map(Texts::of);
    figure::draw(
        [&zh.get("cli-exp-figure"), &en.get("cli-exp-figure")],
        [&zh.get("cli-exp-legend"), &en.get("cli-exp-legend")],
        (1.0, 1e7),
        &panels.collect::<Vec<_>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_have_the_promised_columns_and_attempts_are_the_nonce() {
        let found = [attempts::chain(1, 3, 0, |_| {}), attempts::chain(2, 2, 0, |_| {})];
        let text = csv(&found);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows[0], ["level", "run", "attempts", "nonce", "seconds"]);
        let labels: Vec<_> = rows[1..].iter().map(|row| (row[0], row[1])).collect();
        assert_eq!(labels, [("1", "1"), ("1", "2"), ("1", "3"), ("2", "1"), ("2", "2")]);
        assert!(rows[1..].iter().all(|row| row[2] == row[3] && row[4].parse::<f64>().is_ok()));
    }

    #[test]
    fn a_level_stands_beside_the_theory_and_the_paper() {
        let runs = |nonces: &[u64]| -> Vec<Run> {
            let run =
                |(number, nonce): (u32, &u64)| Run { level: 1, number, nonce: *nonce, time: Duration::from_millis(1) };
            (1..).zip(nonces).map(run).collect()
        };
        let view = LevelView::of(1, &runs(&paper::nonces(1)));
        assert_eq!((view.theory, view.runs, view.fits), (16, 50, false));
        assert_eq!(format!("{:.2} {:.2}", view.mean_nonce, view.paper_mean_nonce), "26.56 26.56");
        assert_eq!(view.attempts_per_second.round(), 26_560.0);
        assert!(view.interval[0] < 26.56 && view.interval[0] > 16.0);
        let report = Report { seed: 0, significance: SIGNIFICANCE, levels: vec![view] };
        assert_eq!(
            (levels_with(&report, |level| level.fits), levels_with(&report, |level| !level.fits)),
            ("-".into(), "1".into())
        );
    }

    #[test]
    fn the_figure_shows_every_nonce_in_both_languages() {
        let drawn = svg(&[attempts::chain(1, 50, 0, |_| {})]);
        assert_eq!(drawn.matches("h0").count(), 50, "a dot for each of ours");
        assert_eq!(drawn.matches("l4 4").count(), 50, "a cross for each of the paper's");
        assert!(drawn.contains("Figure 31") && drawn.contains("圖 31"));
    }
}
