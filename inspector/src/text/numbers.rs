//! How sizes and durations are said.

/// `240 B`, `1.2 KiB`, `3.1 MiB`, `64 KiB`: in sentences.
pub fn size(bytes: u64) -> String {
    let (number, unit) = scaled(bytes);
    match unit {
        0 => format!("{bytes} B"),
        1 => format!("{number} KiB"),
        2 => format!("{number} MiB"),
        _ => format!("{number} GiB"),
    }
}

/// `240B`, `1.1K`, `4.0M`: in columns; at most five characters up to a tebibyte.
pub fn short_size(bytes: u64) -> String {
    let (number, unit) = scaled(bytes);
    match unit {
        0 => format!("{bytes}B"),
        1 => format!("{number}K"),
        2 => format!("{number}M"),
        _ => format!("{number}G"),
    }
}

/// In the largest unit that makes it at least 1, with one decimal below 10.
fn scaled(bytes: u64) -> (String, u32) {
    let mut unit = 0;
    let mut number = bytes as f64;
    // What would be rounded to 1024 of one unit is 1.0 of the next.
    while number >= 1023.5 && unit < 3 {
        number /= 1024.0;
        unit += 1;
    }
    let text = if number < 9.95 { format!("{number:.1}") } else { format!("{number:.0}") };
    (text, unit)
}

/// `0.3ms`, `12ms`, `1.3s`, `75s`, `4m10s`, from microseconds: in columns.
pub fn duration(micros: u64) -> String {
    let millis = micros as f64 / 1000.0;
    if millis < 0.95 {
        return format!("{millis:.1}ms");
    }
    if millis < 999.5 {
        return format!("{millis:.0}ms");
    }
    let seconds = millis / 1000.0;
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    if seconds < 99.5 {
        return format!("{seconds:.0}s");
    }
    let seconds = seconds.round() as u64;
    format!("{}m{:02}s", seconds / 60, seconds % 60)
}

/// Milliseconds with one decimal and without the unit, from microseconds: `25.9`.
pub(super) fn millis(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short_and_never_1024_of_a_unit() {
        let said = |bytes| (short_size(bytes), size(bytes));
        for (bytes, short, long) in [
            (0, "0B", "0 B"),
            (240, "240B", "240 B"),
            (1023, "1023B", "1023 B"),
            (1024, "1.0K", "1.0 KiB"),
            (1127, "1.1K", "1.1 KiB"),
            (65536, "64K", "64 KiB"),
            (1_048_575, "1.0M", "1.0 MiB"),
            (4 << 20, "4.0M", "4.0 MiB"),
            (u64::MAX, "17179869184G", "17179869184 GiB"),
        ] {
            assert_eq!(said(bytes), (short.into(), long.into()));
        }
    }

    #[test]
    fn durations_are_short_and_never_1000_of_a_unit() {
        for (micros, said) in [
            (0, "0.0ms"),
            (312, "0.3ms"),
            (960, "1ms"),
            (12_400, "12ms"),
            (999_499, "999ms"),
            (999_600, "1.0s"),
            (1_340_000, "1.3s"),
            (9_960_000, "10s"),
            (75_000_000, "75s"),
            (250_000_000, "4m10s"),
        ] {
            assert_eq!(duration(micros), said);
        }
    }
}
