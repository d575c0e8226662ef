//! Durations, rates and choices as they are written on the command line.

use std::time::Duration;

use tunnel::message::{HOLD_LIMIT, Unavailable};

/// `90`, `90s`, `2m`, `500ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| "expected a duration like 30s, 2m or 500ms".to_owned())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" if number <= 1440 => Ok(Duration::from_secs(number * 60)),
        "m" => Err("longer than a day".to_owned()),
        unit => Err(format!("unknown unit `{unit}`: expected ms, s or m")),
    }
}

/// `500KiB`, `2MiB`, `1000000`.
pub(super) fn rate(text: &str) -> Result<u64, String> {
    let text = text.trim_end_matches("/s");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "B" => 1,
        "k" | "kB" | "KB" => 1000,
        "KiB" | "K" => 1 << 10,
        "M" | "MB" => 1_000_000,
        "MiB" => 1 << 20,
        unit => return Err(format!("unknown unit `{unit}`: expected KiB or MiB")),
    };
    let number: u64 = digits.parse().map_err(|_| "expected a rate like 500KiB or 2MiB".to_owned())?;
    number.checked_mul(factor).filter(|rate| *rate >= 1024).ok_or_else(|| "at least 1KiB a second".to_owned())
}

/// `cluster`, `hold=5s`, `error`.
pub(super) fn unavailable(text: &str) -> Result<Unavailable, String> {
    match text.split_once('=') {
        None if text == "cluster" => Ok(Unavailable::Cluster),
        None if text == "error" => Ok(Unavailable::Error),
        Some(("hold", time)) => match u32::try_from(duration(time)?.as_millis()) {
            Ok(millis @ 1..=HOLD_LIMIT) => Ok(Unavailable::Hold { millis }),
            _ => Err(format!("callers can be held for up to {} s", HOLD_LIMIT / 1000)),
        },
        _ => Err("expected cluster, hold=DURATION or error".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_held_for_a_minute_at_most() {
        assert_eq!(unavailable("cluster"), Ok(Unavailable::Cluster));
        assert_eq!(unavailable("hold=5s"), Ok(Unavailable::Hold { millis: 5000 }));
        assert_eq!(unavailable("error"), Ok(Unavailable::Error));
        for wrong in ["hold", "hold=", "hold=2m", "hold=0", "error=5s", "original", ""] {
            assert!(unavailable(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_take_the_usual_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert!(duration("5 apples").is_err() && duration("-1s").is_err() && duration("").is_err());
    }
}
