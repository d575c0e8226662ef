use proptest::prelude::*;

use super::*;
use crate::text::sample::{self, cut, headers, hostile, message};

fn answers(a: Message, b: Message) -> Diff {
    let of = |answer| Exchange { answer: Some(answer), ..sample::exchange() };
    diff(&of(a), &of(b), Part::Answer)
}

fn text(diff: &Diff) -> String {
    diff.lines().iter().map(|line| line.text() + "\n").collect()
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn what_always_differs_does_not_count() {
    let a = message(&[("Date", "Mon"), ("X-A", "1"), ("x-b", "2")], "x");
    let b = message(&[("X-B", "2"), ("x-a", "1"), ("date", "Tue"), ("X-B3-TraceId", "7")], "x");
    let diff = answers(a, b);
    assert!(diff.is_same());
    insta::assert_snapshot!(text(&diff), @r"
    same

    - date: Mon (always differs)
    + date: Tue (always differs)
    + x-b3-traceid: 7 (always differs)
    ");
}

#[test]
fn headers_and_lines_that_differ_are_shown_and_counted() {
    let body = |qty: u32| format!(r#"{{"a":1,"b":2,"c":3,"d":4,"qty":{qty},"e":5,"f":6,"g":7,"h":8}}"#);
    let a = message(&[JSON, ("vary", "a"), ("vary", "b"), ("etag", "1")], body(1));
    let b = message(&[JSON, ("vary", "b"), ("vary", "a"), ("x", "\u{1b}")], body(2));
    let mut exchanges = [a, b].map(|answer| Exchange { answer: Some(answer), ..sample::exchange() });
    exchanges[1].status = Some(201);
    let diff = diff(&exchanges[0], &exchanges[1], Part::Both);
    insta::assert_snapshot!(text(&diff), @r#"
    status, 3 headers and 1 line differ

    answer
    - 500 Internal Server Error
    + 201 Created
    - etag: 1
    - vary: a
    - vary: b
    + vary: b
    + vary: a
    + x: \u{1b}
        "b": 2,
        "c": 3,
        "d": 4,
    -   "qty": 1,
    +   "qty": 2,
        "e": 5,
        "f": 6,
        "g": 7,
    "#);
}

#[test]
fn the_same_contents_in_another_way_are_the_same() {
    let spaced = answers(message(&[JSON], r#"{"a":1}"#), message(&[JSON], "{ \"a\": 1 }\n"));
    assert_eq!(text(&spaced), "same\n\n(the same contents, written in another way)\n");
    let png = |bytes: &[u8], coding| message(&[("content-encoding", coding)], bytes.to_vec());
    let gzip = crate::decode::coding::pack(b"\0abc".into(), &[crate::decode::coding::Coding::Gzip]).unwrap();
    let packed = answers(png(b"\0abc", "identity"), png(&gzip, "gzip"));
    assert_eq!(packed.summary(), "1 header differs");
}

#[test]
fn what_is_no_text_is_compared_by_its_bytes() {
    let differing = answers(message(&[], &b"\0abcd"[..]), message(&[], &b"\0abX"[..]));
    assert_eq!(
        text(&differing),
        "the body differs\n\n  500 Internal Server Error\nthe bodies differ: 5 and 4 bytes, from byte 3 on\n"
    );
    let longer = answers(message(&[], &b"\0ab"[..]), message(&[], &b"\0abX"[..]));
    assert_eq!(longer.answer.unwrap().body, Bodies::Bytes { a: 3, b: 4, first: Some(3) });
}

#[test]
fn bodies_that_were_cut_are_compared_as_far_as_they_were_kept() {
    let a = message(&[], "a\nb\nc\nd\n");
    let same = answers(cut(&a, 4), cut(&a, 4));
    assert_eq!(text(&same), "same\n\n(compared as far as they were kept)\n");
    let other = answers(cut(&a, 4), cut(&message(&[], "a\nX\nc\nd\ne\n"), 4));
    assert_eq!(other.summary(), "1 line differs");
    let longer = answers(cut(&a, 4), cut(&message(&[], "a\nb\nc\nd\ne\n"), 4));
    assert_eq!(longer.answer.unwrap().body, Bodies::Bytes { a: 8, b: 10, first: None });
}

#[test]
fn an_answer_that_is_not_there_differs_from_one_that_is() {
    let none = Exchange { answer: None, status: None, ..sample::exchange() };
    let diff = diff(&none, &sample::exchange(), Part::Answer);
    assert_eq!(diff.summary(), "status, 1 header and 1 line differ");
}

#[test]
fn large_texts_are_compared_at_their_beginning() {
    let body = |last: &str| format!("{}{last}", "line\n".repeat(40_000));
    let diff = answers(message(&[], body("a")), message(&[], body("b")));
    let Bodies::Bytes { first: None, .. } = diff.answer.unwrap().body else { panic!("compared whole") };
}

#[test]
fn headers_of_volatile_names_are_found_by_their_beginning() {
    let differ = |name: &str| {
        !answers(Message { headers: headers(&[(name, "1")]), ..Message::default() }, Message::default())
            .is_same()
    };
    assert!(!differ("X-RateLimit-Remaining") && !differ("Traceparent"));
    assert!(differ("ETag") && differ("X-B3") && differ("X-Request-Id-Not"));
}

proptest! {
    #[test]
    fn an_exchange_is_the_same_as_itself(exchange in hostile::exchange()) {
        let diff = diff(&exchange, &exchange.clone(), Part::Both);
        prop_assert!(diff.is_same());
        prop_assert_eq!(diff.summary(), "same");
    }

    /// Applied to the first text, what is shown gives the second.
    #[test]
    fn lines_that_are_shown_are_those_that_differ(a in "([abc]\n){0,12}", b in "([abc]\n){0,12}") {
        let diff = answers(message(&[], a.clone()), message(&[], b.clone()));
        let (mut removed, mut added) = (0_i64, 0_i64);
        if let Bodies::Lines(changed) = &diff.answer.as_ref().unwrap().body {
            for change in changed.hunks.iter().flatten() {
                match change {
                    Change::Same(_) => {}
                    Change::Removed(_) => removed += 1,
                    Change::Added(_) => added += 1,
                }
            }
        }
        prop_assert_eq!(added - removed, b.lines().count() as i64 - a.lines().count() as i64);
        prop_assert_eq!(diff.is_same(), a == b);
    }

    #[test]
    fn any_two_can_be_compared(a in hostile::exchange(), b in hostile::exchange()) {
        let lines = diff(&a, &b, Part::Both).lines();
        let shown = lines.iter().all(|line| !line.text().contains(char::is_control));
        prop_assert!(shown);
    }
}
