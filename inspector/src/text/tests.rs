use jiff::tz::{TimeZone, offset};
use proptest::prelude::*;

use super::sample::{self, hostile};
use super::*;
use crate::exchange::{End, Exchange, Kind, Message, Messages, Route, Timing};

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text() + "\n").collect()
}

fn zone() -> TimeZone {
    TimeZone::fixed(offset(2))
}

fn grpc(status: u32) -> Exchange {
    let mut answer = sample::message(&[("content-type", "application/grpc")], "\0\0\0\0\x02ab");
    answer.trailers = sample::headers(&[("grpc-status", &status.to_string())]);
    Exchange {
        target: "/inv.Stock/Reserve".into(),
        status: Some(200),
        answer: Some(answer),
        messages: Some(Messages {
            kind: Kind::Grpc,
            sent: 1,
            sent_bytes: 88,
            received: 2,
            received_bytes: 2048,
        }),
        ..sample::exchange()
    }
}

#[test]
fn rows_stand_in_columns_and_long_paths_are_cut() {
    let mut long = sample::exchange();
    long.target = format!("/api/{}", "long/".repeat(30));
    (long.status, long.answer, long.timing, long.end) = (None, None, Timing::default(), None);
    long.route = Route::Originals { why: String::new() };
    let mut cut = sample::exchange();
    cut.end = Some(End::Cut);
    let rows: Vec<_> =
        [sample::exchange(), long, cut, grpc(0), grpc(14)].iter().map(|one| row(one, &zone())).collect();
    insta::assert_snapshot!(text(&lay_out(&rows, 110)));
}

#[test]
fn statuses_say_how_good_they_are() {
    let of = |status, end| {
        let exchange = Exchange { status, end, ..sample::exchange() };
        let span = row(&exchange, &zone()).cells[4].clone();
        (span.text, span.role)
    };
    assert_eq!(of(Some(204), Some(End::Complete)), ("204".into(), Role::Good));
    assert_eq!(of(Some(302), Some(End::Complete)), ("302".into(), Role::Plain));
    assert_eq!(of(Some(404), Some(End::Complete)), ("404".into(), Role::Warn));
    assert_eq!(of(Some(200), Some(End::Cut)), ("cut".into(), Role::Bad));
    assert_eq!(of(None, None), ("…".into(), Role::Dim));
    assert_eq!(of(None, Some(End::Unread)), ("?".into(), Role::Dim));
    assert_eq!(row(&grpc(99), &zone()).cells[4], Span::new(Role::Bad, "99"));
}

#[test]
fn all_about_an_exchange() {
    let mut exchange = mask::cover(&sample::exchange());
    exchange.replay_of = Some(9);
    insta::assert_snapshot!(text(&detail(&exchange, &zone())));
}

#[test]
fn all_about_a_call_of_grpc_that_has_not_ended() {
    let mut exchange = grpc(5);
    exchange.end = None;
    exchange.request = Message::default();
    exchange.timing = Timing { answer_us: Some(900), tunnel_us: Some(450), ..Timing::default() };
    insta::assert_snapshot!(text(&detail(&exchange, &zone())));
}

#[test]
fn ascii_terminals_get_ascii() {
    let mut exchange = mask::cover(&sample::exchange());
    (exchange.status, exchange.end) = (None, None);
    let lines = detail(&exchange, &zone());
    let mut lines: Vec<_> = lines.iter().map(Line::to_ascii).collect();
    lines.extend(lay_out(&[row(&exchange, &zone())], 60).iter().map(Line::to_ascii));
    assert!(text(&lines).is_ascii(), "{}", text(&lines));
}

proptest! {
    #[test]
    fn nothing_in_a_line_moves_the_cursor(exchange in hostile::exchange(), width in 0_usize..200) {
        let mut lines = detail(&exchange, &zone());
        lines.extend(lay_out(&[row(&exchange, &zone())], width));
        let bad = |c: char| c.is_control() || c == '\u{202e}';
        let texts: Vec<_> = lines.iter().map(Line::text).collect();
        prop_assert!(!texts.iter().any(|line| line.contains(bad)), "{texts:?}");
    }
}
