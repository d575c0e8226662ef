//! All that is known of a row, untruncated: names and values, in a popup.

use inspector::decode::printable;
use inspector::text::{Line, Role, fit};
use jiff::Timestamp;

use super::popup::Popup;

/// Longer values stand below their names: they may go on over several lines.
const BESIDE: usize = 40;
/// Columns of a name.
const NAME: usize = 12;

/// A popup of names and values; those without a value are left out.
pub(super) fn popup(title: &str, fields: &[(&str, String)]) -> Popup {
    let mut lines = Vec::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let value = printable(value).into_owned();
        if fit::width(&value) <= BESIDE {
            let name = format!("{} ", fit::pad(name, NAME));
            lines.push(Line::of(Role::Name, name).and(Role::Plain, value));
        } else {
            lines.extend([Line::of(Role::Name, *name), Line::of(Role::Plain, value)]);
        }
    }
    Popup::text(printable(title), lines)
}

/// `2026-01-02 10:41:03 UTC`: what is read here may be compared with anything.
pub(super) fn time(at_ms: u64) -> String {
    let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default()
}
