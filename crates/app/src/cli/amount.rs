//! Amounts as people type them on a command line.

use ledger::act::ActId;
use units::{Current, Height, Millis, ParseQuantityError, Power, StatementId, Timestamp, Voltage};

/// Volts, such as `110` or `121.5`.
pub(super) fn volts(text: &str) -> Result<Voltage, ParseQuantityError> {
    decimal(text, 3).map(Voltage::from_mv)
}

/// Amperes, such as `0.054`.
pub(super) fn amperes(text: &str) -> Result<Current, ParseQuantityError> {
    decimal(text, 6).map(Current::from_ua)
}

/// Watts, such as `6.4`.
pub(super) fn watts(text: &str) -> Result<Power, ParseQuantityError> {
    let milliwatts = i64::try_from(decimal(text, 3)?);
    milliwatts.map(Power::from_mw).map_err(|_| ParseQuantityError::TooLarge(text.to_owned()))
}

/// A non-negative decimal as an integer of 10^-`places`.
fn decimal(text: &str, places: usize) -> Result<u64, ParseQuantityError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || text.ends_with('.') {
        return Err(ParseQuantityError::NotANumber(text.to_owned()));
    }
    if fraction.len() > places {
        return Err(ParseQuantityError::TooFine(text.to_owned(), places));
    }
    format!("{whole}{fraction:0<places$}").parse().map_err(|_| ParseQuantityError::TooLarge(text.to_owned()))
}

/// A length of time with its unit: `500ms`, `30s`, `15m`, `72h`, `3d`.
pub(super) fn span(text: &str) -> Result<Millis, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => 0,
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds));
    match number {
        Some(ms) if milliseconds > 0 => Ok(Millis::from_ms(ms)),
        _ => Err(format!("`{text}` is not a time such as 30s, 15m, 72h or 3d")),
    }
}

/// A point in time with its offset from UTC (RFC 3339).
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is not a time such as 2026-07-01T00:00:00+08:00");
    let instant: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(instant.as_millisecond()).map(Timestamp::from_ms).map_err(|_| wrong())
}

/// An act by its statement's id, with `#` and its number there if that is not 0.
pub(super) fn act(text: &str) -> Result<ActId, String> {
    let wrong = || format!("`{text}` is not a statement's id, with #1 behind it for its second act");
    let (statement, act) = text.split_once('#').unwrap_or((text, "0"));
    let statement: StatementId = statement.parse().map_err(|_| wrong())?;
    Ok(ActId { statement, act: act.parse().map_err(|_| wrong())? })
}

/// A block's number.
pub(super) fn height(text: &str) -> Result<Height, String> {
    text.parse().map(Height::from_number).map_err(|_| format!("`{text}` is not a block's number"))
}

/// The code of a currency.
pub(super) fn currency(text: &str) -> Result<String, String> {
    if text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{text}` is not a currency's code such as TWD or EUR"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_their_unit() {
        for (text, ms) in [
            ("500ms", Some(500)),
            ("30s", Some(30_000)),
            ("72h", Some(259_200_000)),
            ("0m", Some(0)),
            ("72", None),
            ("h", None),
            ("-1h", None),
            ("1.5h", None),
            ("99999999999999999999d", None),
        ] {
            assert_eq!(span(text).ok().map(Millis::ms), ms, "{text}");
        }
    }

    #[test]
    fn acts_are_named_by_statement_and_number() {
        let statement = StatementId::from_bytes([0xab; 32]);
        for (text, number) in [(statement.to_string(), Some(0)), (format!("{statement}#2"), Some(2))] {
            assert_eq!(act(&text).ok().map(|id| (id.statement, id.act)), number.map(|act| (statement, act)), "{text}");
        }
        for text in ["", "5f0c...", "#1", &format!("{statement}#"), &format!("{statement}#x")] {
            assert!(act(text).is_err(), "{text}");
        }
    }

    #[test]
    fn points_in_time_need_their_offset() {
        for (text, ms) in [
            ("2026-08-01T00:00:00+08:00", Some(1_785_513_600_000)),
            ("2026-07-31T16:00:00Z", Some(1_785_513_600_000)),
            ("2026-08-01T00:00:00", None),
            ("2026-08-01", None),
            ("1960-01-01T00:00:00Z", None),
        ] {
            assert_eq!(time(text).ok().map(Timestamp::ms), ms, "{text}");
        }
    }

    #[test]
    fn amounts_keep_every_digit_or_are_refused() {
        assert_eq!(volts("121.5").map(Voltage::mv), Ok(121_500));
        assert_eq!(amperes("0.054").map(Current::ua), Ok(54_000));
        assert_eq!(watts("6").map(Power::mw), Ok(6_000));
        assert_eq!(volts("1.2345"), Err(ParseQuantityError::TooFine("1.2345".to_owned(), 3)));
        for text in ["", "-1", "1e3", ".5", "5."] {
            assert_eq!(volts(text), Err(ParseQuantityError::NotANumber(text.to_owned())));
        }
    }
}
