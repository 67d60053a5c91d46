//! The gateway's settings for what a scan found.

use super::Found;
use crate::cli::Trouble;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// How often a found meter is asked, unless somebody changes it.
const POLL_SECONDS: u64 = 10;

/// A `[[bus]]` block for each rate and framing at which meters answered.
pub(super) fn blocks(port: &str, is_serial: bool, found: &[Found]) -> String {
    let mut lines: Vec<(Option<u32>, &str)> = Vec::new();
    for one in found.iter().filter(|one| one.profile.is_some()) {
        if !lines.contains(&(one.baud, one.framing)) {
            lines.push((one.baud, one.framing));
        }
    }
    lines.iter().map(|line| block(port, is_serial, *line, found)).collect::<Vec<_>>().join("\n")
}

fn block(port: &str, is_serial: bool, (baud, framing): (Option<u32>, &str), found: &[Found]) -> String {
    let place = match (is_serial, baud) {
        (true, Some(baud)) if framing == "dlt645" => {
            format!("serial = \"{port}\"\nbaud = {baud}\nframing = \"dlt645\"\n")
        }
        (true, Some(baud)) => format!("serial = \"{port}\"\nbaud = {baud}\n"),
        _ => format!("tcp = \"{port}\"\nframing = \"{framing}\"\n"),
    };
    let name = port.rsplit('/').next().unwrap_or(port);
    let mut text = format!("[[bus]]\nname = \"{name}\"\n{place}");
    let of_line = |one: &&Found| one.baud == baud && one.framing == framing;
    let meters = found.iter().filter(of_line).flat_map(|one| profiles(one).into_iter().map(move |name| (one, name)));
    for (place, (one, profile)) in (1..).zip(meters) {
        text += &meter(place, one, &profile);
    }
    text
}

/// The profiles of a found device's meters: each channel that counts is one, where the device as a whole does not.
fn profiles(found: &Found) -> Vec<String> {
    let Some(profile) = &found.profile else { return Vec::new() };
    let counts = |channel: &str| found.reading.contains_key(&format!("energy_import_mwh{channel}"));
    let channels: Vec<String> = ["ch1", "ch2"]
        .into_iter()
        .filter(|channel| !counts("") && counts(&format!("_{channel}")))
        .map(|channel| format!("{profile}:{channel}"))
        .collect();
    if channels.is_empty() { vec![profile.clone()] } else { channels }
}

fn meter(place: usize, found: &Found, profile: &str) -> String {
    let address = if found.framing == "dlt645" { format!("\"{}\"", found.address) } else { found.address.clone() };
    let or = if found.or.is_empty() { String::new() } else { format!("  # or {}", found.or.join(", ")) };
    let shown: Vec<String> = found.reading.iter().map(|(name, value)| format!("{name} {value}")).collect();
    format!(
        "\n# It said: {}\n[[bus.meter]]\nnumber = \"M-{place}\"  # put the number printed on the meter\naddress = {address}\n\
         profile = \"{profile}\"{or}\npoll_seconds = {POLL_SECONDS}\nmember = \"\"  # put the account of the member who is billed\n",
        shown.join(", ")
    )
}

pub(super) fn write(path: &Path, blocks: &str) -> Result<(), Trouble> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Trouble::environment(format_args!("{}: {error}", path.display()), "name a file that you may write"),
    };
    let mut file = File::create_new(path).map_err(io)?;
    file.write_all(blocks.as_bytes()).map_err(io)
}

pub(super) fn exists(path: &Path) -> Trouble {
    Trouble::environment(
        format_args!("{} exists and is not overwritten", path.display()),
        "name another file with --write, or remove it",
    )
}
