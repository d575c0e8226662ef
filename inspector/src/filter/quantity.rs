//! Durations and sizes: a number and its unit.
//!
//! Counted in whole microseconds and bytes; what is finer than that is refused rather than rounded, as then a comparison
//! would be another one than was written.

/// Units, the largest first, each with its usual name before others for it; what they are worth of the smallest.
type Units = [(&'static str, u64)];

/// Counted in microseconds.
pub(super) const DURATIONS: &Units = &[("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];
/// Counted in bytes.
pub(super) const SIZES: &Units =
    &[("MiB", 1 << 20), ("M", 1 << 20), ("KiB", 1 << 10), ("K", 1 << 10), ("B", 1), ("", 1)];

/// Why something is no quantity.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoQuantity {
    /// There is no number, or a unit that does not exist.
    Other,
    /// There is a number without a unit, where there has to be one.
    NoUnit,
    /// It is finer than the smallest unit.
    TooFine,
    /// It is more than can be counted.
    TooMuch,
}

/// Reads `1.5s` as what it is in the smallest unit.
pub(super) fn read(text: &str, units: &Units) -> Result<u64, NoQuantity> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).ok_or(NoQuantity::Other)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if !is_number(whole) || !is_number(part) {
        return Err(NoQuantity::Other);
    }
    let known = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let (_, worth) = known.ok_or(if unit.is_empty() { NoQuantity::NoUnit } else { NoQuantity::Other })?;
    let whole: u64 = whole.parse().map_err(|_| NoQuantity::TooMuch)?;
    let whole = whole.checked_mul(*worth).ok_or(NoQuantity::TooMuch)?;
    whole.checked_add(fraction(part, *worth)?).ok_or(NoQuantity::TooMuch)
}

/// Reads a number that has no unit.
pub(super) fn count(text: &str) -> Option<u64> {
    is_number(text).then(|| text.parse().ok()).flatten()
}

/// Digits alone; what parses numbers would let a sign pass.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What `0.part` of a unit is.
fn fraction(part: &str, worth: u64) -> Result<u64, NoQuantity> {
    let part = part.trim_end_matches('0');
    if part.is_empty() {
        return Ok(0);
    }
    // No unit can be cut into so many parts that more digits would be a whole number of the smallest.
    let digits = u32::try_from(part.len()).ok().filter(|digits| *digits <= 20).ok_or(NoQuantity::TooFine)?;
    let part: u128 = part.parse().map_err(|_| NoQuantity::TooFine)?;
    let (all, parts) = (part * u128::from(worth), 10u128.pow(digits));
    match all % parts {
        0 => u64::try_from(all / parts).map_err(|_| NoQuantity::TooMuch),
        _ => Err(NoQuantity::TooFine),
    }
}

/// Writes it in the largest unit of which it is a whole number.
pub(super) fn write(quantity: u64, units: &Units) -> String {
    let fits = |worth: u64| worth == 1 || (quantity > 0 && quantity.is_multiple_of(worth));
    let (unit, worth) = units.iter().find(|(_, worth)| fits(*worth)).copied().unwrap_or(("", 1));
    format!("{}{unit}", quantity / worth)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_are_read_exactly() {
        for (text, wanted) in [
            ("0us", 0),
            ("100ms", 100_000),
            ("1.5s", 1_500_000),
            ("0.000001s", 1),
            ("1.50000000000000000000000000s", 1_500_000),
            ("2m", 120_000_000),
            ("0.05m", 3_000_000),
        ] {
            assert_eq!(read(text, DURATIONS), Ok(wanted), "{text}");
        }
        for (text, wanted) in
            [("7", 7), ("7B", 7), ("1k", 1024), ("1.5KiB", 1536), ("2M", 2 << 20), ("2mib", 2 << 20)]
        {
            assert_eq!(read(text, SIZES), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_says_why() {
        for (text, wanted) in [
            ("100", NoQuantity::NoUnit),
            ("1.5us", NoQuantity::TooFine),
            ("0.0000000000000000000000000000000000000000000001s", NoQuantity::TooFine),
            ("18446744073709551616us", NoQuantity::TooMuch),
            ("18446744073709551615ms", NoQuantity::TooMuch),
            ("", NoQuantity::Other),
            ("s", NoQuantity::Other),
            (".5s", NoQuantity::Other),
            ("1.s", NoQuantity::Other),
            ("1.2.3s", NoQuantity::Other),
            ("-1s", NoQuantity::Other),
            ("1h", NoQuantity::Other),
            ("1 s", NoQuantity::Other),
            ("٣s", NoQuantity::Other),
        ] {
            assert_eq!(read(text, DURATIONS), Err(wanted), "{text}");
        }
        assert_eq!(read("0.0001K", SIZES), Err(NoQuantity::TooFine));
        assert_eq!(read("1KB", SIZES), Err(NoQuantity::Other));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_it_was(quantity: u64) {
            for units in [DURATIONS, SIZES] {
                prop_assert_eq!(read(&write(quantity, units), units), Ok(quantity));
            }
        }
    }
}
