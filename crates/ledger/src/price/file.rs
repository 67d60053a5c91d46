//! Tariffs as TOML, strict on misspelt keys, and the tables that come with the program.
//!
//! A file says what a seller published: prices as decimal text, hours as `"09:00-24:00"`, summer as month and day. A
//! ledger's tariff has whole months of summer and days as numbers, so the file is checked while it is turned into one.

use super::hours::civil_day;
use super::{
    Band, Bracket, Grouping, Plan, Progressive, Seasonal, Summer, Surcharge, Switch, Table, TableError, TimeOfUse, Week,
};
use crate::act::Tariff;
use serde::Deserialize;
use units::{Energy, Money, Month};

/// The tables that come with the program: name and file.
pub const SHIPPED: [(&str, &str); 4] = [
    ("taipower-residential", include_str!("../../tariffs/taipower-residential.toml")),
    ("taipower-business", include_str!("../../tariffs/taipower-business.toml")),
    ("taipower-simple-tou-2", include_str!("../../tariffs/taipower-simple-tou-2.toml")),
    ("taipower-simple-tou-3", include_str!("../../tariffs/taipower-simple-tou-3.toml")),
];

/// Why a tariff file was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TariffFileError {
    /// Not TOML of the expected shape; the message names the line and, for a misspelt key, the known ones.
    #[error("{0}")]
    Form(String),
    /// Not a price.
    #[error("`{0}` is not an amount of money; write it as \"2.55\"")]
    Money(String),
    /// Not hours.
    #[error("`{0}` are not hours of a day; write them as \"09:00-24:00\"")]
    Hours(String),
    /// Not a date, or month and day.
    #[error("`{0}` is not a date; write month and day as \"06-01\", a date as \"2026-02-15\"")]
    Date(String),
    /// A season that changes within a month.
    #[error(
        "summer from {0} to {1} does not consist of whole months; a month is settled by one sheet under one season"
    )]
    SummerWithinMonth(String, String),
    /// None or several tables.
    #[error("a file has exactly one of [flat], [progressive], [time_of_use] and [average]")]
    Tables,
    /// Hours that leave a gap or overlap.
    #[error("the bands of {day} in {season} do not cover each minute of the day once")]
    Cover {
        /// The kind of day.
        day: &'static str,
        /// The season.
        season: &'static str,
    },
    /// The table is not one.
    #[error(transparent)]
    Table(#[from] TableError),
    /// More than a list may hold.
    #[error("too many {0}")]
    TooMany(&'static str),
}

/// A tariff file that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TariffFile {
    /// Who published the prices, and where.
    pub source: String,
    /// Since when they hold, as published; a date.
    pub effective_from: String,
    /// ISO 4217 code of the currency.
    pub currency: String,
    /// The month that it begins with is the caller's to say.
    parts: Parts,
}

/// A tariff but for the month that it begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    table: Table,
    excess_price: Option<Money>,
    round_to: Money,
    summer: Option<Summer>,
    grouping: Grouping,
}

impl TariffFile {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is not understood, or that makes the table incomplete.
    pub fn parse(text: &str) -> Result<Self, TariffFileError> {
        let file: FileForm = toml::from_str(text).map_err(|error| TariffFileError::Form(error.to_string()))?;
        file.read()
    }

    /// One of [`SHIPPED`] by name.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Self::parse(text).ok()
    }

    /// The act that puts it in force from a month on.
    #[must_use]
    pub fn tariff(&self, from: Month) -> Tariff {
        let Parts { table, excess_price, round_to, summer, grouping } = self.parts.clone();
        Tariff { from, table, excess_price, round_to, summer, grouping }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    source: String,
    effective_from: String,
    currency: String,
    round_to: String,
    grouping: GroupingForm,
    summer: Option<SummerForm>,
    excess_price: Option<String>,
    flat: Option<PriceForm>,
    progressive: Option<ProgressiveForm>,
    time_of_use: Option<TimeOfUseForm>,
    average: Option<AverageForm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum GroupingForm {
    EachMonth,
    Together,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SummerForm {
    from: String,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceForm {
    other: String,
    summer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AverageForm {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgressiveForm {
    minimum: String,
    brackets: Vec<BracketForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BracketForm {
    up_to_kwh: Option<u32>,
    other: String,
    summer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeOfUseForm {
    fixed_per_month: String,
    surcharge: Option<SurchargeForm>,
    bands: Vec<BandForm>,
    off_days: OffDaysForm,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SurchargeForm {
    above_kwh: u32,
    price: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BandForm {
    name: String,
    days: Vec<DayForm>,
    other: Option<String>,
    other_hours: Option<Vec<String>>,
    summer: Option<String>,
    summer_hours: Option<Vec<String>>,
}

#[derive(Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum DayForm {
    Weekday,
    Saturday,
    OffDay,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OffDaysForm {
    every_year: Vec<String>,
    in_years: Vec<u32>,
    dates: Vec<String>,
}

impl FileForm {
    fn read(self) -> Result<TariffFile, TariffFileError> {
        let summer = self.summer.map(SummerForm::read).transpose()?;
        let table = match (self.flat, self.progressive, self.time_of_use, self.average) {
            (Some(price), None, None, None) => Table::Flat(seasonal(Some(&price.other), price.summer.as_deref())?),
            (None, Some(table), None, None) => Table::Progressive(table.read()?),
            (None, None, Some(table), None) => Table::TimeOfUse(Box::new(table.read(summer.is_some())?)),
            (None, None, None, Some(AverageForm {})) => Table::Average,
            _ => return Err(TariffFileError::Tables),
        };
        table.check(summer)?;
        check_date(&self.effective_from)?;
        let parts = Parts {
            table,
            excess_price: self.excess_price.as_deref().map(money).transpose()?,
            round_to: money(&self.round_to)?,
            summer,
            grouping: match self.grouping {
                GroupingForm::EachMonth => Grouping::EachMonth,
                GroupingForm::Together => Grouping::Together,
            },
        };
        let (source, effective_from, currency) = (self.source, self.effective_from, self.currency);
        Ok(TariffFile { source, effective_from, currency, parts })
    }
}

impl SummerForm {
    fn read(self) -> Result<Summer, TariffFileError> {
        let ((first, first_day), (last, last_day)) = (month_day(&self.from)?, month_day(&self.to)?);
        // February ends on the 28th or the 29th; either is meant as its end.
        let ends = civil_day(2027, last, last_day + 1).is_none();
        if first_day != 1 || !ends {
            return Err(TariffFileError::SummerWithinMonth(self.from, self.to));
        }
        Ok(Summer { first, last })
    }
}

impl ProgressiveForm {
    fn read(self) -> Result<Progressive, TariffFileError> {
        let bracket = |form: &BracketForm| {
            let price = seasonal(Some(&form.other), form.summer.as_deref())?;
            Ok(Bracket { price, up_to: form.up_to_kwh.map(|kwh| Energy::from_kwh(u64::from(kwh))) })
        };
        let brackets: Result<Vec<_>, TariffFileError> = self.brackets.iter().map(bracket).collect();
        let (brackets, minimum) = (bounded(brackets?, Table::BRACKETS_MAX, "brackets")?, money(&self.minimum)?);
        Ok(Progressive { brackets, minimum })
    }
}

impl TimeOfUseForm {
    fn read(self, has_summer: bool) -> Result<TimeOfUse, TariffFileError> {
        let band = |form: &BandForm| {
            let price = seasonal(form.other.as_deref(), form.summer.as_deref())?;
            Ok(Band { name: form.name.clone(), price })
        };
        let bands: Result<Vec<_>, TariffFileError> = self.bands.iter().map(band).collect();
        let surcharge = self.surcharge.map(|form| {
            Ok::<_, TariffFileError>(Surcharge {
                above: Energy::from_kwh(u64::from(form.above_kwh)),
                price: money(&form.price)?,
            })
        });
        let summer = has_summer.then(|| week(&self.bands, "summer", |band| (&band.summer, &band.summer_hours)));
        Ok(TimeOfUse {
            fixed: money(&self.fixed_per_month)?,
            surcharge: surcharge.transpose()?,
            bands: bounded(bands?, Table::BANDS_MAX, "bands")?,
            other: week(&self.bands, "the other months", |band| (&band.other, &band.other_hours))?,
            summer: summer.transpose()?,
            off_days: self.off_days.read()?,
        })
    }
}

impl OffDaysForm {
    fn read(self) -> Result<Vec<u32>, TariffFileError> {
        let mut days = Vec::new();
        for text in &self.every_year {
            let (month, day) = month_day(text)?;
            // A 29th of February is there in leap years only.
            days.extend(self.in_years.iter().filter_map(|year| civil_day(*year, month, day)));
        }
        for text in &self.dates {
            days.push(check_date(text)?);
        }
        days.sort_unstable();
        days.dedup();
        bounded(days, Table::OFF_DAYS_MAX, "off-peak days")
    }
}

/// A band's price and hours in one season.
type InSeason<'a> = (&'a Option<String>, &'a Option<Vec<String>>);

fn week(
    bands: &[BandForm],
    season: &'static str,
    of: impl Fn(&BandForm) -> InSeason<'_>,
) -> Result<Week, TariffFileError> {
    let day = |kind: DayForm, day: &'static str| {
        let mut plan = vec![None; 1_440];
        for (place, band) in (0u32..).zip(bands).filter(|(_, band)| band.days.contains(&kind)) {
            let (price, hours) = of(band);
            // A band with a price and no hours holds all day; without a price it does not exist in the season.
            let whole_day = vec!["00:00-24:00".to_owned()];
            let hours = if price.is_some() { hours.as_ref().unwrap_or(&whole_day).as_slice() } else { &[] };
            for text in hours {
                for minute in &mut plan[minutes(text)?] {
                    if minute.replace(place).is_some() {
                        return Err(TariffFileError::Cover { day, season });
                    }
                }
            }
        }
        switches(&plan).ok_or(TariffFileError::Cover { day, season })
    };
    Ok(Week {
        weekday: day(DayForm::Weekday, "a weekday")?,
        saturday: day(DayForm::Saturday, "a Saturday")?,
        off_day: day(DayForm::OffDay, "an off-peak day")?,
    })
}

/// A plan from the band of each minute; `None` if a minute has none, or there are too many switches.
fn switches(minutes: &[Option<u32>]) -> Option<Plan> {
    let mut plan: Vec<Switch> = Vec::new();
    for (minute, band) in (0u32..).zip(minutes) {
        let band = (*band)?;
        if plan.last().is_none_or(|last| last.band != band) {
            plan.push(Switch { minute, band });
        }
    }
    (plan.len() <= Table::SWITCHES_MAX).then_some(Plan(plan))
}

fn minutes(text: &str) -> Result<std::ops::Range<usize>, TariffFileError> {
    let error = || TariffFileError::Hours(text.to_owned());
    let minute = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (usize, usize) = (two_digits(hour)?, two_digits(minute)?);
        (minute < 60).then_some(hour * 60 + minute).filter(|minute| *minute <= 1_440)
    };
    let (from, until) = text.split_once('-').ok_or_else(error)?;
    let range = minute(from).ok_or_else(error)?..minute(until).ok_or_else(error)?;
    if range.is_empty() { Err(error()) } else { Ok(range) }
}

fn two_digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn month_day(text: &str) -> Result<(u32, u32), TariffFileError> {
    let numbers = text.split_once('-').and_then(|(month, day)| Some((two_digits(month)?, two_digits(day)?)));
    // Any month and day of a leap year will do.
    let valid = numbers.filter(|(month, day)| civil_day(2028, *month, *day).is_some());
    valid.ok_or_else(|| TariffFileError::Date(text.to_owned()))
}

/// A date as civil days since 1970-01-01.
fn check_date(text: &str) -> Result<u32, TariffFileError> {
    let error = || TariffFileError::Date(text.to_owned());
    let (year, rest) = text.split_once('-').ok_or_else(error)?;
    let (month, day) = month_day(rest).map_err(|_| error())?;
    let year = Some(year).filter(|year| year.len() == 4).and_then(|year| year.parse().ok());
    year.and_then(|year| civil_day(year, month, day)).ok_or_else(error)
}

fn money(text: &str) -> Result<Money, TariffFileError> {
    Money::parse(text).map_err(|_| TariffFileError::Money(text.to_owned()))
}

fn seasonal(other: Option<&str>, summer: Option<&str>) -> Result<Seasonal, TariffFileError> {
    Ok(Seasonal { other: other.map(money).transpose()?, summer: summer.map(money).transpose()? })
}

fn bounded<T>(list: Vec<T>, max: usize, what: &'static str) -> Result<Vec<T>, TariffFileError> {
    if list.len() <= max { Ok(list) } else { Err(TariffFileError::TooMany(what)) }
}
