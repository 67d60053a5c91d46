//! A recorded household, minute by minute.

use units::Millis;

/// Longest recording: a leap year of minutes, about 25 MB in memory.
pub const REPLAY_MINUTES_MAX: usize = 366 * 1_440;

const MINUTE_MS: u64 = 60_000;

/// Why a recording cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The header lacks a column.
    #[error("the header has no column `{0}`; needed are p_kw, q_kvar and v")]
    NoColumn(&'static str),
    /// A field is not a decimal number.
    #[error("line {line}: `{field}` is not a number such as 4.216")]
    NotANumber {
        /// Line in the file, from 1.
        line: usize,
        /// As written.
        field: String,
    },
    /// The first minute has no values, so there is none to hold.
    #[error("line {line}: the recording begins with a missing minute; begin it at one with values")]
    BeginsMissing {
        /// Line in the file, from 1.
        line: usize,
    },
    /// A line has too few fields.
    #[error("line {line}: a field is missing; a missing minute has empty fields, but its commas")]
    FieldMissing {
        /// Line in the file, from 1.
        line: usize,
    },
    /// There are no minutes, or too many.
    #[error("{0} minutes; a recording has 1 to {REPLAY_MINUTES_MAX}")]
    Length(usize),
}

/// The mean values of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Minute {
    pub(super) active_mw: u64,
    pub(super) reactive_mvar: u64,
    pub(super) voltage_mv: u64,
}

/// A recording of household minutes, in integers; played in a loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    minutes: Vec<Minute>,
    /// Before each minute: the active power of all earlier ones, summed, mW min.
    sums: Vec<u64>,
    total: u64,
}

impl Replay {
    /// From CSV with a header that names at least `p_kw`, `q_kvar` and `v`, one line a minute, consumption only.
    /// A line with empty fields is a missing minute and holds the one before it.
    ///
    /// # Errors
    /// With the line, when the text is not such a recording.
    pub fn from_csv(text: &str) -> Result<Self, ReplayError> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let header: Vec<&str> = lines.next().map_or(Vec::new(), |(_, line)| line.split(',').collect());
        let column = |name| header.iter().position(|field| field.trim() == name).ok_or(ReplayError::NoColumn(name));
        let columns = [column("p_kw")?, column("q_kvar")?, column("v")?];
        let mut minutes: Vec<Minute> = Vec::new();
        for (line, fields) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let held = minutes.last().copied();
            let minute = parse_minute(line, fields, columns)?.or(held);
            minutes.push(minute.ok_or(ReplayError::BeginsMissing { line })?);
            if minutes.len() > REPLAY_MINUTES_MAX {
                return Err(ReplayError::Length(minutes.len()));
            }
        }
        if minutes.is_empty() {
            return Err(ReplayError::Length(0));
        }
        Ok(Self::from_minutes(minutes))
    }

    /// The excerpt of the UCI household recording that comes with the program: seven days from 2006-12-20.
    ///
    /// # Errors
    /// Never for the excerpt as shipped; a test reads it.
    pub fn excerpt() -> Result<Self, ReplayError> {
        Self::from_csv(include_str!("../../data/household-minute-excerpt.csv"))
    }

    fn from_minutes(minutes: Vec<Minute>) -> Self {
        let mut total = 0;
        let add = |minute: &Minute| {
            let before = total;
            total += minute.active_mw;
            before
        };
        let sums = minutes.iter().map(add).collect();
        Self { minutes, sums, total }
    }

    /// How many minutes it has.
    #[must_use]
    pub fn minutes(&self) -> u64 {
        u64::try_from(self.minutes.len()).unwrap_or(u64::MAX)
    }

    /// The minute that is played when so much has been played, over all loops.
    pub(super) fn at(&self, played: Millis) -> Minute {
        self.minutes[self.index(played)]
    }

    /// The energy of all that has been played, over all loops, mW ms.
    pub(super) fn energy_mwms(&self, played: Millis) -> u128 {
        let loops = played.ms() / MINUTE_MS / self.minutes();
        let index = self.index(played);
        let whole_minutes = u128::from(loops) * u128::from(self.total) + u128::from(self.sums[index]);
        let begun_ms = u128::from(played.ms() % MINUTE_MS);
        whole_minutes * u128::from(MINUTE_MS) + u128::from(self.minutes[index].active_mw) * begun_ms
    }

    fn index(&self, played: Millis) -> usize {
        usize::try_from(played.ms() / MINUTE_MS % self.minutes()).unwrap_or_default()
    }
}

/// A line's minute; `None` when it is a missing one.
fn parse_minute(line: usize, fields: &str, columns: [usize; 3]) -> Result<Option<Minute>, ReplayError> {
    let fields: Vec<&str> = fields.split(',').map(str::trim).collect();
    let mut texts = [""; 3];
    for (text, column) in texts.iter_mut().zip(columns) {
        *text = fields.get(column).copied().ok_or(ReplayError::FieldMissing { line })?;
    }
    if texts.iter().any(|text| text.is_empty()) {
        return Ok(None);
    }
    let [p_kw, q_kvar, v] = texts;
    let number = |text, places| {
        parse_decimal(text, places).ok_or_else(|| ReplayError::NotANumber { line, field: String::from(text) })
    };
    Ok(Some(Minute { active_mw: number(p_kw, 6)?, reactive_mvar: number(q_kvar, 6)?, voltage_mv: number(v, 3)? }))
}

/// Most digits before the point: a household is no power plant, and sums over a year stay inside 64 bits.
const WHOLE_DIGITS_MAX: usize = 6;

/// A non-negative decimal as an integer of 10^-`places`.
fn parse_decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let sized = (1..=WHOLE_DIGITS_MAX).contains(&whole.len()) && fraction.len() <= places;
    (sized && digits(whole) && digits(fraction)).then(|| format!("{whole}{fraction:0<places$}").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_minute_holds_the_one_before() {
        let replay = Replay::from_csv("ts_local,p_kw,q_kvar,v\nx,1.5,0.1,230.12\nx,,,\nx,2,0,229\n").unwrap();
        assert_eq!(replay.minutes(), 3);
        assert_eq!(replay.at(Millis::from_minutes(1)).active_mw, 1_500_000);
        assert_eq!(replay.at(Millis::from_minutes(2)).voltage_mv, 229_000);
        assert_eq!(replay.at(Millis::from_minutes(3)).voltage_mv, 230_120);
        assert_eq!(replay.energy_mwms(Millis::from_minutes(3)), 5_000_000 * 60_000);
    }

    #[test]
    fn a_broken_recording_is_refused_with_its_line() {
        use ReplayError::{BeginsMissing, FieldMissing, Length, NoColumn, NotANumber};
        let field = |field: &str| field.to_owned();
        for (text, error) in [
            ("", NoColumn("p_kw")),
            ("p_kw,v\n", NoColumn("q_kvar")),
            ("p_kw,q_kvar,v\n", Length(0)),
            ("p_kw,q_kvar,v\n,,\n", BeginsMissing { line: 2 }),
            ("p_kw,q_kvar,v\n1,2\n", FieldMissing { line: 2 }),
            ("p_kw,q_kvar,v\n1,2,3\n1,-2,3\n", NotANumber { line: 3, field: field("-2") }),
            ("p_kw,q_kvar,v\n1e3,2,3\n", NotANumber { line: 2, field: field("1e3") }),
            ("p_kw,q_kvar,v\n9999999,2,3\n", NotANumber { line: 2, field: field("9999999") }),
        ] {
            assert_eq!(Replay::from_csv(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_shipped_excerpt_has_seven_days() {
        assert_eq!(Replay::excerpt().unwrap().minutes(), 7 * 1_440);
    }
}
