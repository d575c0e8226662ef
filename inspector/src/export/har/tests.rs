use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;

use super::*;
use crate::decode::coding::{Coding, pack};
use crate::exchange::End;
use crate::text::sample::{self, cut, hostile, message};

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(include_str!("schema.json")).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
});

fn assert_valid(archive: &Value) {
    let mistakes: Vec<_> =
        SCHEMA.iter_errors(archive).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(mistakes.is_empty(), "{mistakes:#?}");
}

/// One of each kind.
fn several() -> Vec<Exchange> {
    let form = message(
        &[("content-type", "application/x-www-form-urlencoded"), ("cookie", "a=1; b=x=y")],
        "name=a+b&name=%C3%A9",
    );
    let packed = pack("hello ".repeat(100).into(), &[Coding::Gzip]).unwrap();
    let cookies = [
        ("content-encoding", "gzip"),
        ("content-type", "text/plain"),
        ("set-cookie", "sid=1; Path=/; Domain=shop; Expires=Wed, 21-Oct-2026 07:28:00 GMT; HttpOnly; Secure"),
        ("set-cookie", "b=2; expires=whenever"),
        ("Location", "/next"),
    ];
    let binary = message(&[("content-type", "image/png")], &b"\x89PNG\0"[..]);
    vec![
        sample::exchange(),
        Exchange {
            request: form,
            answer: Some(message(&cookies, packed)),
            status: Some(302),
            ..sample::exchange()
        },
        Exchange {
            request: binary.clone(),
            answer: Some(cut(&binary, 2)),
            target: "http://u@[::1]:80/a b?x=1&y".into(),
            end: Some(End::Cut),
            ..sample::exchange()
        },
        Exchange {
            started: "2026-03-04T10:00:00Z".parse().unwrap(),
            status: None,
            answer: None,
            end: None,
            timing: Timing::default(),
            from: None,
            to: None,
            host: String::new(),
            ..sample::exchange()
        },
    ]
}

#[test]
fn an_archive_is_what_the_specification_says() {
    let archive = har(&several(), "1.2.3");
    assert_valid(&archive);
    insta::assert_snapshot!(serde_json::to_string_pretty(&archive).unwrap());
}

#[test]
fn another_program_reads_the_same_from_it() {
    let exchanges = several();
    let text = har(&exchanges, "1.2.3").to_string();
    let read: har::Har = serde_json::from_str(&text).unwrap();
    let har::Spec::V1_2(log) = read.log else { panic!("another version") };
    assert_eq!((log.creator.name.as_str(), log.entries.len()), ("devbridge", 4));
    assert!(log.entries.is_sorted_by(|a, b| a.started_date_time <= b.started_date_time));
    let form = &log.entries[2];
    assert_eq!(form.request.url, "http://orders.shop/api/orders?dry=1");
    let params: Vec<_> =
        form.request.post_data.iter().flat_map(|post| post.params.iter().flatten()).collect();
    assert_eq!(params[0].value.as_deref(), Some("a b"));
    assert_eq!(params[1].value.as_deref(), Some("é"));
    let cookies: Vec<_> = form.request.cookies.iter().map(|cookie| (&*cookie.name, &*cookie.value)).collect();
    assert_eq!(cookies, [("a", "1"), ("b", "x=y")]);
    let content = &form.response.content;
    assert_eq!(content.text.as_deref(), Some("hello ".repeat(100).as_str()));
    assert_eq!(content.size - content.compression.unwrap(), form.response.body_size);
    assert_eq!(form.response.cookies[0].expires.as_deref(), Some("2026-10-21T07:28:00Z"));
    assert_eq!(form.response.redirect_url.as_deref(), Some("/next"));
    assert!((form.time - (0.312 + 0.204 + 31.2)).abs() < 1e-9);
    assert_eq!((form.timings.blocked, form.timings.dns), (Some(0.312), Some(-1.0)));
    let binary = &log.entries[3];
    assert_eq!(binary.response.content.encoding.as_deref(), Some("base64"));
    assert_eq!((binary.response.content.size, binary.response.body_size), (5, 5));
    assert_eq!(binary.request.url, "http://u@[::1]:80/a%20b?x=1&y");
    assert_eq!((log.entries[0].response.status, log.entries[0].time), (0, 0.0));
    assert_eq!(log.entries[0].request.url, "http://localhost:8080/api/orders?dry=1");
}

#[test]
fn the_schema_finds_what_is_missing_or_wrong() {
    let archive = har(&several(), "1");
    let broken = |change: fn(&mut Value)| {
        let mut archive = archive.clone();
        change(&mut archive["log"]["entries"][0]);
        !SCHEMA.is_valid(&archive)
    };
    assert!(broken(|entry| entry["startedDateTime"] = "yesterday".into()));
    assert!(broken(|entry| entry["request"]["url"] = "http://a b/".into()));
    assert!(broken(|entry| entry["timings"]["wait"] = (-1).into()));
    assert!(broken(|entry| entry["more"] = 1.into()));
    assert!(broken(|entry| entry["serverIPAddress"] = "localhost".into()));
    assert!(broken(|entry| {
        entry.as_object_mut().unwrap().remove("cache");
    }));
}

proptest! {
    #[test]
    fn whatever_passed_makes_an_archive(exchanges in prop::collection::vec(hostile::exchange(), 1..4)) {
        assert_valid(&har(&exchanges, "1"));
    }
}
