//! How much a filter may be.

use super::super::{Filter, LENGTH_LIMIT, TERMS_LIMIT};

#[test]
fn filters_are_as_long_as_the_limits_and_no_longer() {
    let long = |bytes: usize| {
        format!("path={}", "ä".repeat((bytes - 5) / 2) + if bytes.is_multiple_of(2) { "x" } else { "" })
    };
    assert_eq!(Filter::parse(&[long(LENGTH_LIMIT)]).unwrap().to_string().len(), LENGTH_LIMIT);
    let error = Filter::parse(&[long(LENGTH_LIMIT + 1)]).unwrap_err();
    assert_eq!(error.message(), "a filter has 4096 bytes at most");
    assert_eq!(error.column(), (LENGTH_LIMIT - 5) / 2 + 5);
    let half = long(LENGTH_LIMIT / 2);
    assert_eq!(Filter::parse(&[&half, &half, "id=1"]).unwrap_err().expression(), 2);

    let terms = |count: usize| "id=1 ".repeat(count);
    Filter::parse(&[terms(TERMS_LIMIT)]).unwrap();
    let error = Filter::parse(&[&terms(TERMS_LIMIT), "id=2"]).unwrap_err();
    assert_eq!(error.message(), "a filter has 64 terms at most");
    assert_eq!((error.expression(), error.column()), (1, 0));
}

#[test]
fn a_filter_that_would_be_too_long_once_written_is_refused() {
    let newlines = format!("path='{}'", "\n".repeat(LENGTH_LIMIT / 2));
    assert_eq!(Filter::parse(&[newlines]).unwrap_err().message(), "a filter has 4096 bytes at most");
}

#[test]
fn messages_repeat_no_more_than_a_line() {
    for expression in [
        "x".repeat(4000),
        format!("{}=5", "x".repeat(4000)),
        format!("header.'{}'=5", "ä ".repeat(1000)),
        format!("id={}", "9".repeat(4000)),
        format!("path~{}", "(".repeat(4000)),
        format!("path={}", "*".repeat(4000)),
    ] {
        let said = match Filter::parse(&[&expression]) {
            Ok(_) => continue,
            Err(error) => error.to_string(),
        };
        assert!(said.lines().all(|line| line.chars().count() <= 200), "{said}");
    }
}
