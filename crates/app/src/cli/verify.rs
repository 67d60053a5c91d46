//! `wattproof verify`: checks files offline, layer by layer, and says the verdict in the reader's language.

use super::terminal::{note, say, say_json};
use super::{Trouble, VerifyArgs, trouble};
use crate::export::read_frame;
use crate::web::i18n::Texts;
use ledger::Genesis;
use ledger::verify::{Kind, Outcome, Report, Verdict, verify as check};
use serde::Serialize;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Largest file that is checked: a ledger of some millions of statements.
const FILE_BYTES_MAX: u64 = 4 << 30;
/// Remembered genesis documents that are looked at: communities that one person knows.
const REMEMBERED_MAX: usize = 256;

/// A genesis document to trust, and where it comes from.
struct Trusted {
    genesis: Genesis,
    path: PathBuf,
}

pub(super) fn verify(args: &VerifyArgs, texts: Texts) -> Result<ExitCode, Trouble> {
    let given = args.trust.as_deref().map(read_trusted).transpose()?;
    let mut reports = Vec::new();
    for path in &args.files {
        let bytes = read_file(path)?;
        let (report, trusted) = match &given {
            Some(trusted) => (check(&bytes, Some(&trusted.genesis), &read_frame), None),
            None => with_remembered(&bytes),
        };
        if let Some(trusted) = &trusted {
            note(texts.arg("cli-verify-remembered", "file", trusted.path.display().to_string()));
        }
        if !args.json {
            show(path, &report, texts);
        }
        reports.push((path, report));
    }
    if args.json {
        say_json(&reports.iter().map(|(path, report)| FileView::new(path, report)).collect::<Vec<_>>());
    }
    let failed = reports.iter().any(|(_, report)| report.verdict() == Verdict::Failed);
    Ok(if failed { ExitCode::from(trouble::FOUND_WRONG) } else { ExitCode::SUCCESS })
}

/// Without a file to trust: one that is remembered counts if it is of the same ledger.
fn with_remembered(bytes: &[u8]) -> (Report, Option<Trusted>) {
    let report = check(bytes, None, &read_frame);
    let of_ledger = |trusted: &Trusted| match report.ledger {
        Some(ledger) => trusted.genesis.ledger() == ledger,
        // A checkpoint is told apart only by the key that signed it.
        None => {
            report.kind == Kind::Checkpoint
                && check(bytes, Some(&trusted.genesis), &read_frame).verdict() == Verdict::Verified
        }
    };
    match remembered().into_iter().find(of_ledger) {
        Some(trusted) => (check(bytes, Some(&trusted.genesis), &read_frame), Some(trusted)),
        None => (report, None),
    }
}

/// The genesis documents in the reader's own settings (XDG Base Directory 0.8): `~/.config/wattproof/trusted/*.cbor`.
/// One that cannot be read is nobody's, as if it were not there.
fn remembered() -> Vec<Trusted> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let settings = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    let Some(folder) = settings.map(|settings| settings.join("wattproof").join("trusted")) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "cbor")).collect();
    paths.sort();
    paths.truncate(REMEMBERED_MAX);
    paths.iter().filter_map(|path| read_trusted(path).ok()).collect()
}

fn read_trusted(path: &Path) -> Result<Trusted, Trouble> {
    let bytes = read_file(path)?;
    let genesis = Genesis::from_bytes(&bytes).map_err(|error| {
        let what = format!("{}: {error}", path.display());
        Trouble::environment(what, "give the genesis.cbor that the community's operator handed out")
    })?;
    Ok(Trusted { genesis, path: path.to_owned() })
}

fn read_file(path: &Path) -> Result<Vec<u8>, Trouble> {
    let wrong = |error: &dyn std::fmt::Display| {
        let what = format!("{}: {error}", path.display());
        Trouble::environment(what, "name a file that exists and that you may read")
    };
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let size = file.metadata().map_err(|error| wrong(&error))?.len();
    if size > FILE_BYTES_MAX {
        return Err(wrong(&format_args!("{size} bytes; a file has at most {FILE_BYTES_MAX}")));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    Ok(bytes)
}

fn show(path: &Path, report: &Report, texts: Texts) {
    let kind = texts.get(&format!("cli-kind-{}", report.kind.name().replace('_', "-")));
    say(format_args!("{}: {kind}", path.display()));
    for finding in &report.findings {
        let layer = texts.get(&format!("cli-layer-{}", finding.layer.name().replace('_', "-")));
        say(format_args!("  {} {layer}: {}", mark(finding.outcome), finding.detail));
    }
    let failed = report.findings.iter().find(|finding| finding.outcome == Outcome::Failed);
    let reason = failed.map_or("", |finding| finding.detail.as_str());
    let verdict = format!("cli-verdict-{}", report.verdict().name().replace('_', "-"));
    say(texts.arg(&verdict, "reason", reason));
}

const fn mark(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "\u{2713}",
        Outcome::Unknown => "?",
        Outcome::Failed => "\u{2717}",
    }
}

/// The report of a file as JSON.
#[derive(Serialize)]
struct FileView {
    file: String,
    kind: &'static str,
    ledger: Option<String>,
    verdict: &'static str,
    findings: Vec<FindingView>,
}

#[derive(Serialize)]
struct FindingView {
    layer: &'static str,
    outcome: &'static str,
    detail: String,
}

impl FileView {
    fn new(path: &Path, report: &Report) -> Self {
        let finding = |finding: &ledger::verify::Finding| FindingView {
            layer: finding.layer.name(),
            outcome: finding.outcome.name(),
            detail: finding.detail.clone(),
        };
        Self {
            file: path.display().to_string(),
            kind: report.kind.name(),
            ledger: report.ledger.map(|ledger| ledger.to_string()),
            verdict: report.verdict().name(),
            findings: report.findings.iter().map(finding).collect(),
        }
    }
}
