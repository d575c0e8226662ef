//! What each field and operator means.

use super::super::Filter;
use super::{exchange, header, message, unanswered};
use crate::{Direction, End, Exchange, Route, Version};

#[track_caller]
fn check(exchange: &Exchange, terms: &[(&str, bool)]) {
    for (term, wanted) in terms {
        let filter = Filter::parse(&[term]).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(filter.matches(exchange), *wanted, "{term}");
        let negated = Filter::parse(&[format!("!{term}")]).unwrap();
        assert_eq!(negated.matches(exchange), !*wanted, "!{term}");
    }
}

#[test]
fn text_is_compared_as_a_whole_with_wildcards_or_searched() {
    check(
        &exchange(),
        &[
            ("path=/api/v1/orders", true),
            ("path=/api", false),
            ("path=/api/*", true),
            ("path=*/v1/*", true),
            ("path=/*/v?/orders", false),
            ("path=*s", true),
            ("path=*x", false),
            ("path=orders", false),
            ("path~orders", true),
            ("path~^/api", true),
            ("path~^/orders", false),
            (r"path~/v\d+/", true),
            ("path!~^/api", false),
            ("path!=/api/*", false),
            ("path=/API/*", false),
            ("path~(?i)/API", true),
        ],
    );
}

#[test]
fn case_is_ignored_where_it_means_nothing() {
    check(
        &exchange(),
        &[
            ("method=post", true),
            ("method=P*t", true),
            ("method~^(get|post)$", true),
            ("method=GET", false),
            ("type=text/html", true),
            ("type=text/*", true),
            ("type=application/json", false),
            ("trace=4BF92F3577B34DA6A3CE929D0E0E4736", true),
            ("header.X-USER=alice", true),
            ("header.x-user=Alice", false),
            ("answer.content-type~charset=utf-8", true),
        ],
    );
}

#[test]
fn a_host_is_compared_with_and_without_its_port() {
    check(
        &exchange(),
        &[
            ("host=orders.shop", true),
            ("host=orders.shop:8080", true),
            ("host=orders.shop:80", false),
            ("host=*.shop", true),
            ("host~^orders[.]shop$", true),
            ("host~:8080$", true),
            ("host!=orders.shop", false),
        ],
    );
    let six = Exchange { host: "[2001:db8::1]:80".into(), ..exchange() };
    check(&six, &[("host=[2001:db8::1]", true), ("host=[2001:db8::1]:80", true)]);
    check(&Exchange { host: String::new(), ..exchange() }, &[("host", false), ("host=*", false)]);
}

#[test]
fn one_of_several_values_of_a_name_is_enough() {
    check(
        &exchange(),
        &[
            ("header.accept=text/html", true),
            ("header.accept=*/*", true),
            ("header.accept=image/png", false),
            ("header.accept!=text/html", false),
            ("query.tag=x", true),
            ("query.tag=y", true),
            ("query.tag=z", false),
            ("header.x-user", true),
            ("header.x-other", false),
        ],
    );
}

#[test]
fn values_of_a_query_are_decoded_and_the_query_is_not() {
    check(
        &exchange(),
        &[
            ("query.page=2", true),
            ("query.q='a b&c'", true),
            ("query.Page=2", false),
            ("query.page", true),
            ("query.pag", false),
            ("query~q=a[+]b%26c", true),
            ("query=page=2*", true),
            ("query", true),
        ],
    );
    check(&Exchange { target: "/".into(), ..exchange() }, &[("query", false), ("query.page", false)]);
    check(&Exchange { target: "/?".into(), ..exchange() }, &[("query", true), ("query=\"\"", true)]);
    check(&Exchange { target: "/?a%20b=1".into(), ..exchange() }, &[("query.'a b'=1", true)]);
}

#[test]
fn numbers_durations_and_sizes_are_compared() {
    check(
        &exchange(),
        &[
            ("status=200", true),
            ("status=2xx", true),
            ("status=5XX", false),
            ("status>=200", true),
            ("status>200", false),
            ("status<201", true),
            ("status<=199", false),
            ("latency>100ms", true),
            ("latency>=150ms", true),
            ("latency>150ms", false),
            ("latency=0.15s", true),
            ("latency<1m", true),
            ("latency<150001us", true),
            ("size=10", true),
            ("size<1K", true),
            ("size>0.5KiB", false),
            ("id=7", true),
            ("id>7", false),
        ],
    );
}

#[test]
fn bodies_are_searched_as_bytes() {
    check(
        &exchange(),
        &[
            (r#"body~'"id": ?7'"#, true),
            ("body='{*}'", true),
            ("body=7", false),
            ("answer.body~fine", true),
            ("answer.body~^<p>", true),
            ("answer.body=<p>*", true),
            (r"answer.body~(?-u:\xff)", true),
            ("answer.body", true),
        ],
    );
    let empty = Exchange { request: message(&[], b""), ..exchange() };
    check(&empty, &[("body", false), ("body=*", false), ("body=\"\"", false)]);
}

#[test]
fn callers_are_compared_with_addresses_and_ranges() {
    check(
        &exchange(),
        &[
            ("from=10.1.2.3", true),
            ("from=10.1.2.4", false),
            ("from=10.0.0.0/8", true),
            ("from!=10.1.0.0/24", true),
            ("from=::ffff:10.1.2.3", true),
            ("from=2001:db8::/32", false),
            ("from", true),
        ],
    );
    let mapped = Exchange { from: Some("[::ffff:10.1.2.3]:1".parse().unwrap()), ..exchange() };
    check(&mapped, &[("from=10.0.0.0/8", true)]);
    let six = Exchange { from: Some("[2001:db8::7]:1".parse().unwrap()), ..exchange() };
    check(&six, &[("from=2001:db8::/32", true), ("from=2001:DB8:0::7", true), ("from=0.0.0.0/0", false)]);
    check(&Exchange { from: None, ..exchange() }, &[("from", false), ("from=0.0.0.0/0", false)]);
}

#[test]
fn choices_are_one_of_their_words() {
    check(
        &exchange(),
        &[
            ("to=laptop", true),
            ("to!=originals", true),
            ("direction=requests", true),
            ("version=1.1", true),
            ("version=2", false),
        ],
    );
    let other = Exchange {
        direction: Direction::Outbound,
        version: Version::Http2,
        route: Route::Cluster { why: String::new() },
        ..exchange()
    };
    check(&other, &[("to=cluster", true), ("direction=outbound", true), ("version=2", true)]);
    let other =
        Exchange { version: Version::Http10, route: Route::Originals { why: String::new() }, ..exchange() };
    check(&other, &[("to=originals", true), ("version=1.0", true)]);
}

#[test]
fn an_error_is_a_cut_a_status_from_500_on_or_one_of_grpc() {
    check(&exchange(), &[("error", false), ("grpc", false), ("grpc=OK", false)]);
    check(&Exchange { status: Some(500), ..exchange() }, &[("error", true)]);
    check(&Exchange { status: Some(499), ..exchange() }, &[("error", false)]);
    check(&Exchange { end: Some(End::Cut), ..exchange() }, &[("error", true)]);
    let mut grpc = exchange();
    grpc.answer.as_mut().unwrap().trailers =
        vec![header("grpc-status", "14"), header("grpc-message", "away")];
    check(
        &grpc,
        &[
            ("error", true),
            ("grpc=UNAVAILABLE", true),
            ("grpc=unavailable", true),
            ("grpc=14", true),
            ("grpc!=14", false),
            ("grpc=0", false),
            ("grpc", true),
            ("answer.grpc-message=away", true),
        ],
    );
    grpc.answer.as_mut().unwrap().trailers = vec![header("grpc-status", "0")];
    check(&grpc, &[("error", false), ("grpc=OK", true)]);
}

#[test]
fn bodies_are_asked_for_by_what_compares_them() {
    let asks = |filter: &str| Filter::parse(&[filter]).unwrap().asks_for_bodies();
    assert!(asks("status=200 body~a") && asks("status=200 or answer.body!=a"));
    assert!(!asks("body") && !asks("!answer.body size>0") && !asks(""));
}

#[test]
fn a_replay_is_one_of_an_exchange() {
    check(&exchange(), &[("replay", false), ("replay=3", false)]);
    check(
        &Exchange { replay_of: Some(3), ..exchange() },
        &[("replay", true), ("replay=3", true), ("replay=4", false)],
    );
}

#[test]
fn what_is_not_known_yet_matches_no_term_and_every_negation() {
    check(
        &unanswered(),
        &[
            ("status", false),
            ("status=200", false),
            ("status!=200", true),
            ("status<600", false),
            ("latency>0us", false),
            ("size", false),
            ("size>=0", false),
            ("answer.date", false),
            ("answer.body", false),
            ("type=*", false),
            ("grpc", false),
            ("error", false),
            ("header.x-other!=alice", true),
        ],
    );
    let answered = Filter::parse(&["status status!=200"]).unwrap();
    assert!(!answered.matches(&unanswered()));
    assert!(answered.matches(&Exchange { status: Some(404), ..exchange() }));
}

#[test]
fn terms_are_joined_by_and_expressions_and_or_by_or() {
    let matches = |expressions: &[&str]| Filter::parse(expressions).unwrap().matches(&exchange());
    assert!(matches(&["method=POST status=200"]));
    assert!(!matches(&["method=POST status=404"]));
    assert!(matches(&["method=GET", "status=200"]));
    assert!(matches(&["method=GET status=200 or path~orders to=laptop"]));
    assert!(!matches(&["method=GET status=200 or path~orders to=cluster"]));
}

#[test]
fn blank_expressions_do_not_count() {
    assert!(Filter::parse::<&str>(&[]).unwrap().is_empty());
    assert!(Filter::parse(&["", " \t\u{a0}"]).unwrap().is_empty());
    assert!(Filter::default().matches(&exchange()));
    assert!(!Filter::parse(&["", "status=404"]).unwrap().matches(&exchange()));
}

#[test]
fn a_filter_is_written_in_one_way() {
    for (written, canonical) in [
        (" method=POST\tstatus>=500 ", "method=POST status>=500"),
        ("!status=200 !status!=200 !status>200", "status!=200 status=200 !status>200"),
        ("!path~a !path!~a !header.X-User", "path!~a path~a !header.x-user"),
        ("path='/a' path=\"/a b\" path=\"a'b\\\\c\"", "path=/a path='/a b' path=a'b\\c"),
        ("body=\"it's \\n\"", "body=\"it's \\n\""),
        ("body='=' body='~' body='' body='\"'", "body='=' body='~' body='' body='\"'"),
        ("body=\"'a\" body='\"a'", "body=\"'a\" body='\"a'"),
        ("query.'a b'=1 query.\"a\"=1", "query.'a b'=1 query.a=1"),
        ("latency>1500us latency<0.5m latency=0s", "latency>1500us latency<30s latency=0us"),
        ("size>1024 size>1.5k size>2048KiB", "size>1KiB size>1536B size>2MiB"),
        ("grpc=14 grpc=77 grpc=aborted", "grpc=UNAVAILABLE grpc=77 grpc=ABORTED"),
        ("from=10.0.0.7/32 from=10.0.0.0/8", "from=10.0.0.7 from=10.0.0.0/8"),
        ("status=5XX to=LAPTOP", "status=5xx to=laptop"),
        ("error or replay or answer.body", "error or replay or answer.body"),
        ("", ""),
    ] {
        assert_eq!(Filter::parse(&[written]).unwrap().to_string(), canonical);
    }
    assert_eq!(
        Filter::parse(&["error", "", "a or b".replace(['a', 'b'], "replay").as_str()]).unwrap().to_string(),
        "error or replay or replay"
    );
}
