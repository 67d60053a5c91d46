//! Exact arithmetic between register values and a quantity's integer: no floating point, one defined rounding.

/// A scale as an exact fraction, from a decimal such as `0.1` or `1000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scale {
    numerator: i128,
    denominator: i128,
}

/// Most digits of a scale, so that products with any 32-bit register stay far inside 128 bits.
const SCALE_DIGITS_MAX: usize = 12;

impl Scale {
    /// From a positive decimal; `None` otherwise.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || digits.len() > SCALE_DIGITS_MAX || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let numerator = digits.parse().ok().filter(|n| *n > 0)?;
        Some(Self { numerator, denominator: 10_i128.pow(u32::try_from(fraction.len()).ok()?) })
    }

    /// A raw integer in the quantity's unit, half away from zero.
    pub(super) fn apply(self, raw: i64) -> Option<i64> {
        i64::try_from(round_div(i128::from(raw) * self.numerator, self.denominator)).ok()
    }

    /// An IEEE 754 single in the quantity's unit, half away from zero; `None` for NaN, infinity and beyond 64 bits.
    pub(super) fn apply_f32(self, bits: u32) -> Option<i64> {
        let (mantissa, exponent) = f32_parts(bits)?;
        let scaled = i128::from(mantissa) * self.numerator;
        let value = match u32::try_from(exponent) {
            // 2^63 and more cannot be held anyway.
            Ok(shift) if shift >= 63 && scaled != 0 => return None,
            Ok(shift) => scaled << shift.min(62),
            // Below 2^-80 the product (at most 24 + 40 bits) rounds to zero whatever the denominator.
            Err(_) if exponent < -80 => 0,
            Err(_) => round_div(scaled, self.denominator << exponent.unsigned_abs()),
        };
        let value = if exponent >= 0 { round_div(value, self.denominator) } else { value };
        i64::try_from(value).ok()
    }

    /// The raw integer nearest to a value: the inverse of [`Scale::apply`], for the simulator.
    pub(super) fn invert(self, value: i64) -> i64 {
        i64::try_from(round_div(i128::from(value) * self.denominator, self.numerator)).unwrap_or(i64::MAX)
    }

    /// The single at or just below a value: the inverse of [`Scale::apply_f32`].
    pub(super) fn invert_f32(self, value: i64) -> u32 {
        let sign = if value < 0 { 1 << 31 } else { 0 };
        let numerator = u128::from(value.unsigned_abs()) * self.denominator.unsigned_abs();
        sign | f32_from_ratio(numerator, self.numerator.unsigned_abs())
    }

    /// The width of one raw integer step in the quantity's unit, rounded up.
    pub(super) fn step(self) -> i64 {
        i64::try_from((self.numerator + self.denominator - 1) / self.denominator).unwrap_or(i64::MAX)
    }
}

/// Quotient rounded half away from zero; the divisor is positive.
fn round_div(dividend: i128, divisor: i128) -> i128 {
    let half = divisor / 2;
    // The remainder is compared instead of adding half first, so that nothing overflows.
    let (quotient, remainder) = (dividend / divisor, dividend % divisor);
    if remainder.abs() > half || (divisor % 2 == 0 && remainder.abs() == half) {
        quotient + dividend.signum()
    } else {
        quotient
    }
}

/// Signed mantissa and power of two of an IEEE 754 single; `None` for NaN and infinity.
fn f32_parts(bits: u32) -> Option<(i64, i32)> {
    let exponent = i32::try_from(bits >> 23 & 0xFF).ok()?;
    let fraction = i64::from(bits & 0x7F_FFFF);
    let (mantissa, exponent) = match exponent {
        0xFF => return None,
        0 => (fraction, -149),
        _ => (fraction | 0x80_0000, exponent - 150),
    };
    Some((if bits >> 31 == 1 { -mantissa } else { mantissa }, exponent))
}

/// The single at or just below `numerator / denominator`, without sign; zero below 2^-40, which no quantity here
/// reaches.
fn f32_from_ratio(numerator: u128, denominator: u128) -> u32 {
    // Shift so that the quotient has exactly the 24 bits of a mantissa: exponents 64 to -63 cover 64-bit values down to 2^-40.
    (0..128_u32)
        .find_map(|up| {
            let exponent = 64_i32 - i32::try_from(up).ok()?;
            let quotient = if exponent >= 0 {
                (numerator / denominator) >> exponent.unsigned_abs()
            } else {
                let shift = exponent.unsigned_abs();
                (numerator.leading_zeros() > shift).then(|| (numerator << shift) / denominator)?
            };
            let mantissa = u32::try_from(quotient).ok().filter(|q| (1 << 23..1 << 24).contains(q))?;
            Some(u32::try_from(exponent + 150).ok()? << 23 | mantissa & 0x7F_FFFF)
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_are_exact_and_round_half_away_from_zero() {
        for (scale, raw, value) in [
            ("0.1", 2_300_000, Some(230_000)),
            ("0.1", 5, Some(1)),
            ("0.1", -5, Some(-1)),
            ("0.1", 4, Some(0)),
            ("100", 65_000, Some(6_500_000)),
            ("1000000", i64::MAX, None),
        ] {
            assert_eq!(Scale::parse(scale).unwrap().apply(raw), value, "{scale} x {raw}");
        }
        for wrong in ["", "0", "-1", "1e3", "1.2.3", "0.0000000000001", "½"] {
            assert_eq!(Scale::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn singles_become_integers_and_not_a_number_is_refused() {
        for (single, scale, value) in [
            (230.2_f32, "1000", Some(230_200)),
            (0.0, "1000", Some(0)),
            (-0.5, "1", Some(-1)),
            (0.5, "1", Some(1)),
            (0.499, "1", Some(0)),
            (f32::MIN_POSITIVE, "1000000", Some(0)),
            (5_188.847, "1000000", Some(5_188_847_168)),
            (1e10, "1000", Some(10_000_000_000_000)),
            (1e30, "1000", None),
            (f32::MAX, "1", None),
            (f32::NAN, "1000", None),
            (f32::INFINITY, "1000", None),
            (f32::NEG_INFINITY, "1000", None),
        ] {
            assert_eq!(Scale::parse(scale).unwrap().apply_f32(single.to_bits()), value, "{single} x {scale}");
        }
    }

    #[test]
    fn inverting_a_single_is_within_its_last_bit() {
        let scale = Scale::parse("1000").unwrap();
        for value in [0, 1, 999, 1_000, 230_200, -6_399, 1 << 40, i64::from(u32::MAX), 123_456_789_012_345] {
            let back = scale.apply_f32(scale.invert_f32(value)).unwrap();
            assert!((back - value).abs() <= (value.abs() >> 22) + 1, "{value} became {back}");
        }
    }
}
