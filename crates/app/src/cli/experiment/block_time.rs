//! How steady blocks come when hash power changes: a miner on virtual time, whose searches are exponential draws.

use super::figure::{self, Panel};
use super::random::Random;
use super::statistics::Summary;
use super::{BlockTimeArgs, table};
use crate::cli::Trouble;
use crate::cli::terminal::{say, say_json};
use crate::web::i18n::{Lang, Texts};
use ledger::{BLOCK_TIME_MAX, BlockTime, HALF_LIFE_MAX, difficulty_of_level};
use serde::Serialize;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use units::Millis;

/// Level that the chain begins with: high enough that whole attempts round nothing away.
const FIRST_LEVEL: u8 = 5;
/// Half-life in blocks when none is named, as in `wattproof init`.
const HALF_LIFE_BLOCKS: u64 = 60;
/// Within this share of the block time aimed at, a phase counts as settled.
const SETTLED: f64 = 0.10;

/// The course of hash power: its name, its power in times of the first, its length in block times aimed at.
const PHASES: [(&str, f64, f64); 5] = [
    ("steady", 1.0, 600.0),
    ("doubled", 2.0, 600.0),
    ("halved", 0.5, 600.0),
    ("gone", 0.0, 120.0),
    ("back", 1.0, 600.0),
];

/// How difficulty is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Fixed,
    Asert(BlockTime),
}

impl Rule {
    const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Asert(_) => "asert",
        }
    }
}

/// A simulated block.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// The phase it was found in.
    phase: usize,
    /// Since the start.
    seconds: f64,
    /// Since the block before.
    gap: f64,
    difficulty: u64,
    /// What its search was expected to take with the phase's hash power.
    expected: f64,
}

/// One course: blocks until the last phase ends. The seconds that a block aims at, and its rule.
fn course(rule: Rule, target: f64, random: &mut Random) -> Vec<Found> {
    let first = difficulty_of_level(FIRST_LEVEL);
    let power = first as f64 / target;
    let mut found: Vec<Found> = Vec::new();
    let (mut now, mut left, mut gap_start, mut anchor) = (0.0, work(first, random), 0.0, None);
    let (mut difficulty, mut phase_end) = (first, 0.0);
    for (phase, (_, times, length)) in PHASES.into_iter().enumerate() {
        phase_end += length * target;
        let speed = power * times;
        while speed > 0.0 && now + left / speed <= phase_end {
            now += left / speed;
            found.push(Found {
                phase,
                seconds: now,
                gap: now - gap_start,
                difficulty,
                expected: difficulty as f64 / speed,
            });
            gap_start = now;
            if let Rule::Asert(rule) = rule {
                let anchor = *anchor.get_or_insert(now);
                let blocks = u64::try_from(found.len() - 1).unwrap_or(u64::MAX);
                difficulty = rule.difficulty(first, blocks, milliseconds(now - anchor));
            }
            left = work(difficulty, random);
        }
        left -= speed * (phase_end - now);
        now = phase_end;
    }
    found
}

/// Attempts that a search of a difficulty takes.
fn work(difficulty: u64, random: &mut Random) -> f64 {
    random.exponential() * difficulty as f64
}

fn milliseconds(seconds: f64) -> Millis {
    Millis::from_ms(u64::try_from(Duration::from_secs_f64(seconds.max(0.0)).as_millis()).unwrap_or(u64::MAX))
}

/// A phase under a rule, over all courses.
#[derive(Debug, Serialize)]
struct PhaseView {
    rule: &'static str,
    phase: &'static str,
    hash_power: f64,
    /// Mean number of blocks in a course.
    blocks: f64,
    mean_seconds: f64,
    deviation_seconds: f64,
    /// Mean over the blocks of the phase's second half.
    settled_mean_seconds: f64,
    /// Blocks until the expected block time, averaged over all courses, is within 10 % and the phase has not left it
    /// again; absent if it never is.
    blocks_until_settled: Option<usize>,
    longest_gap_seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    target_ms: Millis,
    half_life_ms: Millis,
    runs: u32,
    seed: u64,
    phases: Vec<PhaseView>,
}

fn view(rule: Rule, phase: usize, courses: &[Vec<Found>], target: f64) -> Option<PhaseView> {
    let (name, hash_power, length) = PHASES[phase];
    let of_phase: Vec<Vec<&Found>> =
        courses.iter().map(|course| course.iter().filter(|found| found.phase == phase).collect()).collect();
    let gaps: Vec<f64> = of_phase.iter().flatten().map(|found| found.gap).collect();
    if gaps.is_empty() {
        return None;
    }
    let end: f64 = PHASES[..=phase].iter().map(|(.., length)| length * target).sum();
    let middle = end - length * target / 2.0;
    let late: Vec<f64> =
        of_phase.iter().flatten().filter(|found| found.seconds > middle).map(|found| found.gap).collect();
    let all = Summary::of(&gaps);
    Some(PhaseView {
        rule: rule.name(),
        phase: name,
        hash_power,
        blocks: gaps.len() as f64 / courses.len() as f64,
        mean_seconds: all.mean,
        deviation_seconds: all.deviation,
        settled_mean_seconds: Summary::of(&late).mean,
        blocks_until_settled: settled_after(&of_phase, target),
        longest_gap_seconds: gaps.into_iter().fold(0.0, f64::max),
    })
}

/// The first block from which on the expected block time, averaged over the courses, stays within [`SETTLED`] for as long as
/// every course has blocks.
fn settled_after(courses: &[Vec<&Found>], target: f64) -> Option<usize> {
    let shortest = courses.iter().map(Vec::len).min().unwrap_or_default();
    let mean = |block: usize| courses.iter().map(|course| course[block].expected).sum::<f64>() / courses.len() as f64;
    let unsettled = (0..shortest).rev().find(|block| (mean(*block) / target - 1.0).abs() > SETTLED);
    let first = unsettled.map_or(0, |block| block + 1);
    (first < shortest).then_some(first)
}

pub(super) fn run(args: &BlockTimeArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let rule = block_time(args)?;
    let target = Duration::from_millis(args.target.ms()).as_secs_f64();
    let rules = [Rule::Fixed, Rule::Asert(rule)];
    let courses = rules.map(|rule| {
        // Both rules meet the same draws.
        let mut random = Random::from_seed(args.seed);
        (0..args.runs).map(|_| course(rule, target, &mut random)).collect::<Vec<_>>()
    });
    args.outputs.write(|| csv(rules, &courses), || svg(&courses, target))?;
    let views = rules.iter().zip(&courses).flat_map(|(rule, courses)| {
        (0..PHASES.len()).filter_map(|phase| view(*rule, phase, courses, target)).collect::<Vec<_>>()
    });
    let phases = views.collect();
    let report =
        Report { target_ms: rule.target, half_life_ms: rule.half_life, runs: args.runs, seed: args.seed, phases };
    if args.outputs.json {
        say_json(&report);
    } else {
        show(&report, texts);
    }
    Ok(ExitCode::SUCCESS)
}

fn block_time(args: &BlockTimeArgs) -> Result<BlockTime, Trouble> {
    let target = args.target;
    let half_life = args.half_life.unwrap_or(Millis::from_ms(target.ms().saturating_mul(HALF_LIFE_BLOCKS)));
    if target == Millis::ZERO || target > BLOCK_TIME_MAX || half_life < target || half_life > HALF_LIFE_MAX {
        return Err(Trouble::environment(
            format_args!("no ledger has a block time of {} ms with a half-life of {} ms", target.ms(), half_life.ms()),
            "name a block time up to a day, and a half-life from that up to a year",
        ));
    }
    Ok(BlockTime { target, half_life })
}

fn show(report: &Report, texts: Texts) {
    let heads = ["rule", "phase", "power", "blocks", "mean-time", "spread", "settled", "until", "gap"];
    let mut rows = vec![heads.map(|head| texts.get(&format!("cli-exp-{head}"))).to_vec()];
    rows.extend(report.phases.iter().map(|phase| {
        let never = || "-".to_owned();
        vec![
            texts.get(&format!("cli-exp-{}", phase.rule)),
            texts.get(&format!("cli-exp-{}", phase.phase)),
            format!("{}", phase.hash_power),
            format!("{:.0}", phase.blocks),
            format!("{:.2} s", phase.mean_seconds),
            format!("{:.2} s", phase.deviation_seconds),
            format!("{:.2} s", phase.settled_mean_seconds),
            phase.blocks_until_settled.map_or_else(never, |blocks| blocks.to_string()),
            format!("{:.0} s", phase.longest_gap_seconds),
        ]
    }));
    say(table(&rows));
    say("");
    say(texts.get("cli-exp-block-time-note"));
}

/// The blocks of the first course.
fn csv(rules: [Rule; 2], courses: &[Vec<Vec<Found>>; 2]) -> String {
    let mut text = "rule,block,phase,seconds,block_seconds,difficulty\n".to_owned();
    for (rule, courses) in rules.iter().zip(courses) {
        for (block, found) in (1u64..).zip(courses.iter().take(1).flatten()) {
            let Found { phase, seconds, gap, difficulty, .. } = found;
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{},{block},{},{seconds:.3},{gap:.3},{difficulty}", rule.name(), PHASES[*phase].0);
        }
    }
    text
}

/// The first course under both rules: block times as dots, their moving mean as crosses, the target as a line.
fn svg(courses: &[Vec<Vec<Found>>; 2], target: f64) -> String {
    let [zh, en] = Lang::ALL.map(Texts::of);
    let span: f64 = PHASES.iter().map(|(.., length)| length * target).sum();
    let panels = ["fixed", "asert"].iter().zip(courses).filter_map(|(rule, courses)| {
        let course = courses.first()?;
        let key = format!("cli-exp-{rule}");
        let mean = |window: &[Found]| {
            let last = window.last()?.seconds;
            Some((last, Summary::of(&window.iter().map(|found| found.gap).collect::<Vec<_>>()).mean))
        };
        Some(Panel {
            title: format!("{} / {}", zh.get(&key), en.get(&key)),
            span,
            line: target,
            dots: course.chunks(WINDOW).filter_map(mean).collect(),
            crosses: course.iter().step_by(CROSS_EVERY).map(|found| (found.seconds, found.gap)).collect(),
        })
    });
    figure::draw(
        [&zh.get("cli-exp-block-time-figure"), &en.get("cli-exp-block-time-figure")],
        [&zh.get("cli-exp-block-time-legend"), &en.get("cli-exp-block-time-legend")],
        (target / 100.0, target * 100.0),
        &panels.collect::<Vec<_>>(),
    )
}

/// Blocks that one dot is the mean of.
const WINDOW: usize = 20;
/// One block in so many is drawn, which keeps the drawing small.
const CROSS_EVERY: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn views(rule: Rule) -> Vec<PhaseView> {
        let mut random = Random::from_seed(1);
        let courses: Vec<_> = (0..100).map(|_| course(rule, 10.0, &mut random)).collect();
        (0..PHASES.len()).filter_map(|phase| view(rule, phase, &courses, 10.0)).collect()
    }

    const ASERT: Rule =
        Rule::Asert(BlockTime { target: Millis::from_seconds(10), half_life: Millis::from_seconds(600) });

    #[test]
    fn a_fixed_level_halves_and_doubles_the_block_time_and_never_recovers() {
        let views = views(Rule::Fixed);
        let settled: Vec<_> = views.iter().map(|view| (view.phase, view.blocks_until_settled)).collect();
        assert_eq!(settled, [("steady", Some(0)), ("doubled", None), ("halved", None), ("back", Some(0))]);
        for (view, mean) in views.iter().zip([10.0, 5.0, 20.0, 12.0]) {
            assert!((view.mean_seconds / mean - 1.0).abs() < 0.05, "{view:?}");
        }
        assert!(views[3].longest_gap_seconds > 1_200.0, "the outage");
    }

    #[test]
    fn asert_returns_to_the_block_time_after_every_change() {
        // The share y of the block time that a block is expected to take returns as y' = y (1 - y) ln 2 / 60. From 1/4, after
        // an outage of two half-lives, to 0.9 that is 285 blocks; the average over 100 courses still trembles.
        for view in views(ASERT) {
            let blocks = view.blocks_until_settled.unwrap_or(usize::MAX);
            assert!(blocks <= 400, "{view:?}");
            assert!((view.settled_mean_seconds / 10.0 - 1.0).abs() < 0.1, "{view:?}");
        }
    }

    #[test]
    fn a_course_follows_from_its_seed_and_no_block_comes_without_hash_power() {
        let times =
            |seed| course(ASERT, 10.0, &mut Random::from_seed(seed)).iter().map(|f| f.seconds).collect::<Vec<_>>();
        assert_eq!(times(3), times(3));
        assert_ne!(times(3), times(4));
        let gone = (PHASES[..3].iter().map(|(.., length)| length * 10.0).sum::<f64>(), 1_200.0);
        assert!(times(3).iter().all(|time| *time <= gone.0 || *time > gone.0 + gone.1));
    }
}
