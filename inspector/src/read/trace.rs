//! The trace that a request belongs to (W3C Trace Context, level 1).

use crate::Message;

/// Characters of version 00: four numbers and what is between them.
const LENGTH: usize = 55;

/// What `traceparent` names, when there is one such header and it is valid.
pub(super) fn id(request: &Message) -> Option<String> {
    let mut all = request.header("traceparent");
    match (all.next(), all.next()) {
        (Some(value), None) => read(value),
        _ => None,
    }
}

fn read(value: &str) -> Option<String> {
    let (known, more) = value.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let (version, trace) = (number(parts.next()?, 2)?, number(parts.next()?, 32)?);
    let (parent, _flags) = (number(parts.next()?, 16)?, number(parts.next()?, 2)?);
    let is_zero = |number: &str| number.bytes().all(|digit| digit == b'0');
    // Later versions may have more behind these.
    let may_follow = if version == "00" { more.is_empty() } else { more.is_empty() || more.starts_with('-') };
    let valid = parts.next().is_none() && version != "ff" && may_follow;
    (valid && !is_zero(trace) && !is_zero(parent)).then(|| trace.to_owned())
}

fn number(text: &str, digits: usize) -> Option<&str> {
    let digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == digits && text.bytes().all(digit)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_traceparent_names_its_trace() {
        for value in [
            format!("00-{TRACE}-00f067aa0ba902b7-01"),
            format!("01-{TRACE}-00f067aa0ba902b7-01"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01-what the future will be like"),
        ] {
            assert_eq!(read(&value).as_deref(), Some(TRACE), "{value}");
        }
    }

    #[test]
    fn everything_else_names_none() {
        for value in [
            String::new(),
            format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            format!("cc-{TRACE}-00f067aa0ba902b7-01.more"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-00f067aa0ba902b7-1"),
            format!("00-{TRACE}0-0f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-0\u{fc}", &TRACE[1..]),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }

    #[test]
    fn two_of_them_name_none() {
        let header =
            crate::Header { name: "TraceParent".into(), value: format!("00-{TRACE}-00f067aa0ba902b7-01") };
        let mut request = Message { headers: vec![header.clone()], ..Message::default() };
        assert_eq!(id(&request).as_deref(), Some(TRACE));
        request.headers.push(header);
        assert_eq!(id(&request), None);
    }
}
