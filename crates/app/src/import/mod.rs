//! Tables that an operator brings along: rooms and past readings, from a spreadsheet's CSV file.
//!
//! Pure but for the bytes that come in. Everything in a file is checked before anything is made of it, and all that is
//! wrong is told at once, with line and column, because whoever mends a table wants to mend it once.

pub(crate) mod gateway_toml;
pub(crate) mod readings;
pub(crate) mod rooms;

use std::fmt;

/// Largest file: a year of quarters of an hour for thirty meters.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 20;
/// Faults that are told; behind the first hundred there is a common cause.
pub(crate) const FAULTS_MAX: usize = 100;

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line, from 1.
    pub(crate) line: u64,
    /// The column's name; empty for the whole line.
    pub(crate) column: String,
    /// What is wrong and what to do.
    pub(crate) what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.column.is_empty() {
            write!(f, "line {}: {}", self.line, self.what)
        } else {
            write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
        }
    }
}

/// A line of a table, its cells by the names of their columns.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Its number in the file, from 1.
    pub(crate) number: u64,
    cells: Vec<Option<String>>,
}

/// A file's lines under a known header.
#[derive(Debug)]
pub(crate) struct Table {
    columns: &'static [&'static str],
    pub(crate) lines: Vec<Line>,
}

impl Table {
    /// Reads a table. Columns are found by their names in any order, capitals and blanks aside; a semicolon or a tab in
    /// the header parts cells as a comma does, and a byte order mark is passed over: that is what spreadsheets write.
    ///
    /// # Errors
    /// All that is wrong with the file's form.
    pub(crate) fn read(
        bytes: &[u8],
        needed: &[&'static str],
        columns: &'static [&'static str],
    ) -> Result<Self, Vec<Fault>> {
        let fault = |line, what: String| Fault { line, column: String::new(), what };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = u64::try_from(bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count()).unwrap_or(0);
            vec![fault(line, "not UTF-8; save the table as `CSV UTF-8`".to_owned())]
        })?;
        let header = text.lines().next().unwrap_or_default();
        let delimiter = [b';', b'\t'].into_iter().find(|sign| header.as_bytes().contains(sign)).unwrap_or(b',');
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut records = reader.records();
        let header = match records.next() {
            Some(Ok(header)) => header,
            Some(Err(error)) => return Err(vec![fault(1, error.to_string())]),
            None => return Err(vec![fault(1, format!("the file is empty; its first line is {}", needed.join(",")))]),
        };
        let places = places(&header, needed, columns)?;
        let (mut lines, mut faults) = (Vec::new(), Vec::new());
        let (mut at, mut number) = (0, 1);
        for record in records {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    faults.push(fault(error.position().map_or(0, csv::Position::line), error.to_string()));
                    break;
                }
            };
            // The reader's own count of lines is one behind when they end with CRLF.
            let start = line_start(text, record.position());
            number += newlines(text, at, start);
            at = start;
            if record.iter().all(str::is_empty) {
                continue;
            }
            if record.len() > header.len() {
                let what =
                    format!("{} cells under {} columns; put a text with commas in quotes", record.len(), header.len());
                faults.push(fault(number, what));
                continue;
            }
            let cell = |place: &Option<usize>| place.and_then(|at| record.get(at)).map(str::to_owned);
            let cells = places.iter().map(cell).map(|cell| cell.filter(|text| !text.is_empty())).collect();
            lines.push(Line { number, cells });
        }
        if faults.is_empty() { Ok(Self { columns, lines }) } else { Err(faults) }
    }

    /// A cell that may be empty.
    pub(crate) fn cell<'a>(&self, line: &'a Line, column: &str) -> Option<&'a str> {
        let at = self.columns.iter().position(|known| *known == column)?;
        line.cells.get(at)?.as_deref()
    }

    /// A cell that must be there and be right.
    pub(crate) fn need<T>(
        &self,
        faults: &mut Vec<Fault>,
        line: &Line,
        column: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.cell(line, column).ok_or_else(|| "it is empty".to_owned());
        self.note(faults, line, column, found.and_then(read))
    }

    /// A cell that may be empty and must be right if it is not.
    pub(crate) fn may<T>(
        &self,
        faults: &mut Vec<Fault>,
        line: &Line,
        column: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.cell(line, column).map(read)?;
        self.note(faults, line, column, found)
    }

    fn note<T>(&self, faults: &mut Vec<Fault>, line: &Line, column: &str, read: Result<T, String>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(what) => {
                faults.push(Fault { line: line.number, column: column.to_owned(), what });
                None
            }
        }
    }
}

/// Where a record begins, behind the line ends that are left of the one before and behind empty lines.
fn line_start(text: &str, position: Option<&csv::Position>) -> usize {
    let start = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or_default();
    let rest = text.as_bytes().get(start..).unwrap_or_default();
    start + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

fn newlines(text: &str, from: usize, until: usize) -> u64 {
    let between = text.as_bytes().get(from..until).unwrap_or_default();
    u64::try_from(between.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u64::MAX)
}

/// Where each known column stands in the header.
fn places(
    header: &csv::StringRecord,
    needed: &[&'static str],
    columns: &'static [&'static str],
) -> Result<Vec<Option<usize>>, Vec<Fault>> {
    let plain = |text: &str| text.trim().to_lowercase().replace([' ', '-'], "_");
    let names: Vec<String> = header.iter().map(plain).collect();
    let mut faults = Vec::new();
    let mut fault = |column: &str, what| faults.push(Fault { line: 1, column: column.to_owned(), what });
    for (at, name) in names.iter().enumerate() {
        if !columns.contains(&name.as_str()) {
            let nearest = meter::strict_toml::nearest(name, columns.iter().copied());
            let hint = nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"));
            fault(name, format!("unknown column{hint} Known are {}", columns.join(", ")));
        } else if names[..at].contains(name) {
            fault(name, "the column stands there twice".to_owned());
        }
    }
    for column in needed.iter().filter(|column| !names.iter().any(|name| name == *column)) {
        fault(column, "the column is missing".to_owned());
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(columns.iter().map(|column| names.iter().position(|name| name == column)).collect())
}

/// The faults as a list, at most [`FAULTS_MAX`] of them.
pub(crate) fn listed(faults: &[Fault]) -> String {
    let mut lines: Vec<String> = faults.iter().take(FAULTS_MAX).map(ToString::to_string).collect();
    if faults.len() > FAULTS_MAX {
        lines.push(format!("and {} more", faults.len() - FAULTS_MAX));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
