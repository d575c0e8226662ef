use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::exchange::{Exchange, Version};
use crate::mask;
use crate::text::sample::{self, cut, headers, hostile, message};

const BASE: &str = "http://127.0.0.1:3000";

/// What a command was started with.
#[derive(Debug, Default, PartialEq)]
struct Started {
    arguments: Vec<String>,
    stdin: Vec<u8>,
}

/// Runs a command line in a folder whose programs `curl` and `http` write down what they were started with.
fn run(line: &str) -> Started {
    let folder = tempfile::tempdir().unwrap();
    let script = "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\0' \"$word\" >>\"$OUT/arguments\"; done\ncat >\"$OUT/stdin\"\n";
    for name in ["curl", "http"] {
        let program = folder.path().join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // In a file: as an argument a long line would not fit.
    let command = folder.path().join("command");
    fs::write(&command, line).unwrap();
    let out = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    let done = Command::new("sh")
        .arg(&command)
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("OUT", out.path())
        .current_dir(work.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(done.status.success() && done.stdout.is_empty() && done.stderr.is_empty(), "{done:?}\n{line}");
    assert_eq!(fs::read_dir(work.path()).unwrap().count(), 0, "something else ran: {line}");
    let read = |name: &str| fs::read(Path::new(out.path()).join(name)).unwrap_or_default();
    let arguments = String::from_utf8(read("arguments")).unwrap();
    Started { arguments: arguments.split_terminator('\0').map(str::to_owned).collect(), stdin: read("stdin") }
}

/// What a server would get.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    method: String,
    target: String,
    /// In the order of the command; without what only keeps a default away.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// As curl reads its arguments (curl(1)).
fn curl_asks(Started { arguments, stdin }: Started) -> Asked {
    let mut asked = Asked { method: "GET".into(), ..Asked::default() };
    let (mut method, mut url, mut target) = (None, String::new(), None);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap();
        match argument.as_str() {
            "-X" => method = Some(value()),
            "--head" => asked.method = "HEAD".into(),
            "--request-target" => target = Some(value()),
            "--path-as-is" | "-g" | "--compressed" | "--http1.0" | "--http2-prior-knowledge" => {}
            "-H" => asked.headers.extend(curl_header(&value())),
            "--data-raw" => (asked.method, asked.body) = ("POST".into(), value().into_bytes()),
            "--data-binary" => {
                let value = value();
                asked.method = "POST".into();
                asked.body = match value.strip_prefix('@') {
                    Some(file) => {
                        assert_eq!(file, "-");
                        stdin.clone()
                    }
                    None => value.into_bytes(),
                };
            }
            other => {
                assert!(other.starts_with(BASE) && url.is_empty(), "{other}");
                url = other.to_owned();
            }
        }
    }
    asked.method = method.unwrap_or(asked.method);
    asked.target = target.unwrap_or_else(|| url.strip_prefix(BASE).unwrap().to_owned());
    asked
}

fn curl_header(said: &str) -> Option<(String, String)> {
    if let Some((name, value)) = said.split_once(':') {
        let value = value.trim_matches([' ', '\t']);
        return (!value.is_empty()).then(|| (name.into(), value.into()));
    }
    Some((said.strip_suffix(';').unwrap().into(), String::new()))
}

/// As HTTPie reads its arguments (its `KeyValueArgType`).
fn httpie_asks(Started { arguments, stdin }: Started) -> Asked {
    let mut asked = Asked { body: stdin, ..Asked::default() };
    let mut positional = Vec::new();
    for argument in arguments {
        match argument.strip_prefix("--raw=") {
            Some(body) => asked.body = body.as_bytes().to_vec(),
            None if argument == "--ignore-stdin" || argument == "--path-as-is" => {}
            None => positional.push(argument),
        }
    }
    assert!(positional.iter().all(|word| !word.starts_with('-')), "{positional:?}");
    let mut positional = positional.into_iter();
    asked.method = positional.next().unwrap();
    asked.target = positional.next().unwrap().strip_prefix(BASE).unwrap().to_owned();
    for item in positional {
        // The first separator counts; a backslash takes it away.
        let (mut plain, mut at) = (String::new(), None);
        let mut chars = item.chars().peekable();
        while let Some(c) = chars.next() {
            match (c, chars.peek()) {
                ('\\', Some(':' | ';' | '=' | '@')) => plain.extend(chars.next()),
                (':' | ';' | '=' | '@', next) if at.is_none() => {
                    let longer = matches!(next, Some(':' | '=' | '@'));
                    assert!(!longer && matches!(c, ':' | ';'), "{item}");
                    at = Some((plain.len(), c));
                    plain.push(c);
                }
                _ => plain.push(c),
            }
        }
        let (at, separator) = at.unwrap();
        let (name, value) = (plain[..at].to_owned(), plain[at + 1..].to_owned());
        // `Name:` keeps a default away, `Name;` is empty.
        if separator == ';' || !value.is_empty() {
            asked.headers.push((name, value));
        }
    }
    asked
}

/// What can be said of a request, independently of how.
fn meant(exchange: &Exchange) -> Vec<(String, String)> {
    let hops =
        ["connection", "content-length", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer"];
    let more = ["transfer-encoding", "upgrade", "host"];
    let named: Vec<String> = exchange
        .request
        .header("connection")
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut meant = Vec::new();
    let host = exchange.request.header("host").next().unwrap_or(&exchange.host).trim_matches([' ', '\t']);
    let clean = |value: &str| !value.chars().any(|c| c != '\t' && c.is_control());
    if !host.is_empty() && host != "127.0.0.1:3000" && clean(host) {
        meant.push(("Host".to_owned(), host.to_owned()));
    }
    for header in &exchange.request.headers {
        let name = header.name.to_ascii_lowercase();
        let hop = hops.contains(&name.as_str()) || more.contains(&name.as_str()) || named.contains(&name);
        let token = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c));
        if !hop && token && clean(&header.value) {
            meant.push((header.name.clone(), header.value.trim_matches([' ', '\t']).to_owned()));
        }
    }
    meant
}

fn get(target: &str) -> Exchange {
    let request = message(&[("Host", "127.0.0.1:3000"), ("user-agent", "x"), ("accept", "*/*")], "");
    Exchange { method: "GET".into(), target: target.into(), request, ..sample::exchange() }
}

#[test]
fn a_request_for_curl() {
    insta::assert_snapshot!(curl(&sample::exchange(), "http://web.ns:80/"), @r#"
    curl 'http://web.ns:80/api/orders?dry=1' \
      -H 'Host: orders.shop' \
      -H 'Content-Type: application/json' \
      -H 'Authorization: Bearer abc' \
      -H 'User-Agent:' \
      -H 'Accept:' \
      --data-binary '{"sku":"A1","qty":2}'
    "#);
}

#[test]
fn plain_requests_are_short() {
    assert_eq!(
        curl(&get("/a"), BASE),
        "curl 'http://127.0.0.1:3000/a' \\\n  -H 'user-agent: x' \\\n  -H 'accept: */*'\n"
    );
}

#[test]
fn what_curl_would_change_is_switched_off() {
    let said = |exchange: &Exchange| curl(exchange, BASE);
    for path in ["/a/../b", "/a/.", "/%2E./x"] {
        assert!(said(&get(path)).contains("--path-as-is"), "{path}");
    }
    assert!(!said(&get("/a..b/.c?d=/../")).contains("--path-as-is"));
    assert!(said(&get("/a[0]={b}")).contains(" -g "));
    let head = Exchange { method: "HEAD".into(), ..get("/") };
    assert!(said(&head).contains("--head") && !said(&head).contains("-X"));
    assert!(said(&Exchange { method: "OPTIONS".into(), ..get("*") }).contains("--request-target '*'"));
    assert!(said(&get("/a#b")).contains("--request-target '/a#b'"));
    assert!(said(&get("http://u:p@other/x?y")).contains("'http://127.0.0.1:3000/x?y'"));
    assert!(said(&Exchange { version: Version::Http2, ..get("/") }).contains("--http2-prior-knowledge"));
    let mut packed = get("/");
    packed.request.headers.extend(headers(&[
        ("accept-encoding", "gzip, br"),
        ("x-empty", ""),
        ("connection", "x-hop"),
        ("X-Hop", "1"),
    ]));
    assert!(
        said(&packed).contains("-H 'accept-encoding: gzip, br'") && said(&packed).contains("--compressed")
    );
    assert!(said(&packed).contains("-H 'x-empty;'") && !said(&packed).contains("X-Hop"));
    let mut empty = Exchange { method: "POST".into(), ..get("/") };
    empty.request.headers.extend(headers(&[("Content-Length", "0")]));
    assert!(said(&empty).contains("--data-binary ''") && !said(&empty).contains("-X"));
    let mut file = empty.clone();
    file.request = message(&[], "@/etc/passwd");
    assert!(said(&file).contains("--data-raw '@/etc/passwd'"));
}

#[test]
fn what_is_missing_is_said_first() {
    let mut exchange = sample::exchange();
    exchange.request = cut(&exchange.request, 3);
    exchange.request.headers.extend(headers(&[("X-Split", "a\r\nb"), ("X Y", "a"), ("X-Token", "x")]));
    exchange.request.trailers = headers(&[("x", "y")]);
    exchange.method = "GET /; touch owned".into();
    let said = curl(&mask::cover(&exchange), BASE);
    let comments: Vec<_> = said.lines().take_while(|line| line.starts_with("# ")).collect();
    assert_eq!(
        comments,
        [
            "# Secrets are covered. Show them to get a command that works.",
            "# The body is cut off, 3 of 20 bytes were kept.",
            "# Trailers of the request are left out.",
            "# The method is left out, it is no word.",
            "# 2 headers are left out, they have control characters.",
        ]
    );
    let grpc =
        Exchange { request: message(&[("content-type", "application/grpc")], ""), ..sample::exchange() };
    assert!(
        curl(&grpc, BASE).starts_with("# This is gRPC. grpcurl or devbridge requests replay do it better.\n")
    );
}

#[test]
fn a_body_that_is_no_text_comes_through_a_pipe() {
    let mut exchange = sample::exchange();
    exchange.request = message(&[], &b"\0\xff'\r\n"[..]);
    assert!(curl(&exchange, BASE).starts_with("printf %s 'AP8nDQo=' | base64 -d | curl "));
    assert_eq!(curl_asks(run(&curl(&exchange, BASE))).body, b"\0\xff'\r\n");
    assert_eq!(httpie_asks(run(&httpie(&exchange, BASE))).body, b"\0\xff'\r\n");
    let long: String = "long".repeat(100_000);
    exchange.request = message(&[], long.clone());
    assert_eq!(curl_asks(run(&curl(&exchange, BASE))).body, long.as_bytes());
}

#[test]
fn a_request_for_httpie() {
    insta::assert_snapshot!(httpie(&mask::cover(&sample::exchange()), BASE), @r#"
    # Secrets are covered. Show them to get a command that works.
    http --ignore-stdin '--raw={"sku":"A1","qty":2}' \
      POST 'http://127.0.0.1:3000/api/orders?dry=1' \
      'Host:orders.shop' \
      'Content-Type:application/json' \
      'Authorization:Bearer ••••' \
      'User-Agent:' \
      'Accept:' \
      'Accept-Encoding:' \
      'Connection:'
    "#);
    let mut exchange = get("/#x");
    exchange.request.headers.extend(headers(&[("a", "=1"), ("b", r"\=1"), ("-c", "1"), ("d", "")]));
    insta::assert_snapshot!(httpie(&exchange, BASE), @r"
    # The target is left out, HTTPie can not say it. curl can.
    # Some headers are left out, HTTPie can not say them. curl can.
    http --ignore-stdin \
      GET 'http://127.0.0.1:3000/' \
      'user-agent:x' \
      'accept:*/*' \
      'a:\=1' \
      'd;' \
      'Accept-Encoding:' \
      'Connection:'
    ");
}

#[test]
fn raw_messages_are_what_passed() {
    let request = raw(&sample::exchange(), Side::Request).unwrap();
    assert_eq!(
        request,
        "POST /api/orders?dry=1 HTTP/1.1\r\nHost: orders.shop\r\nContent-Type: application/json\r\n\
         Authorization: Bearer abc\r\n\r\n{\"sku\":\"A1\",\"qty\":2}"
    );
    let mut exchange = sample::exchange();
    exchange.answer = Some(message(&[("Transfer-Encoding", "chunked")], "hello world"));
    exchange.answer.as_mut().unwrap().trailers = headers(&[("X-Sum", "1")]);
    let answer = |exchange: &Exchange| raw(exchange, Side::Answer).unwrap();
    let head = "HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(answer(&exchange), format!("{head}b\r\nhello world\r\n0\r\nX-Sum: 1\r\n\r\n"));
    exchange.answer = Some(cut(&exchange.answer.unwrap(), 5));
    assert_eq!(answer(&exchange), format!("{head}b\r\nhello"), "it ends where it was cut off");
    let h2 =
        Exchange { version: Version::Http2, request: message(&[("a", "b")], "xy"), ..sample::exchange() };
    let request = raw(&h2, Side::Request).unwrap();
    assert_eq!(
        request,
        "POST /api/orders?dry=1 HTTP/1.1\r\nHost: orders.shop\r\na: b\r\nContent-Length: 2\r\n\r\nxy"
    );
    assert_eq!(raw(&Exchange { answer: None, status: None, ..h2 }, Side::Answer), None);
}

#[test]
fn a_covered_body_has_the_length_that_its_head_says() {
    let mut exchange = sample::exchange();
    let body = r#"{"password":"hunter2"}"#;
    exchange.request = message(&[("content-type", "application/json"), ("content-length", "22")], body);
    let raw = raw(&mask::cover(&exchange), Side::Request).unwrap();
    let raw = String::from_utf8(raw.to_vec()).unwrap();
    let (head, body) = raw.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{raw}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn curl_asks_what_was_asked_and_nothing_else_runs(exchange in hostile::exchange()) {
        let asked = curl_asks(run(&curl(&exchange, BASE)));
        prop_assert_eq!(&asked.body, &exchange.request.body.kept);
        prop_assert_eq!(asked.headers, meant(&exchange));
        if exchange.method.chars().all(|c| c.is_ascii_alphanumeric()) && !exchange.method.is_empty() {
            prop_assert_eq!(asked.method, exchange.method);
        }
        if exchange.target.starts_with('/') && !exchange.target.contains(|c: char| c.is_control() || c == ' ') {
            prop_assert_eq!(asked.target, exchange.target);
        }
    }

    #[test]
    fn httpie_asks_what_was_asked_and_nothing_else_runs(exchange in hostile::exchange()) {
        let line = httpie(&exchange, BASE);
        let asked = httpie_asks(run(&line));
        prop_assert_eq!(&asked.body, &exchange.request.body.kept);
        let left_out = line.contains("# Some headers are left out");
        let meant = meant(&exchange);
        if left_out {
            prop_assert!(asked.headers.iter().all(|header| meant.contains(header)));
        } else {
            prop_assert_eq!(asked.headers, meant);
        }
    }

    /// A shell that reads them as commands finds no command and no redirection.
    #[test]
    fn comments_are_plain_words(exchange in hostile::exchange()) {
        for line in [curl(&exchange, BASE), httpie(&exchange, BASE)] {
            let comments = line.lines().take_while(|line| line.starts_with('#'));
            let plain = |c: char| c.is_ascii_alphanumeric() || " .,-#".contains(c);
            prop_assert!(comments.into_iter().all(|line| line.chars().all(plain) && !line[1..].contains('#')));
        }
    }

    /// Nothing in a header begins another.
    #[test]
    fn raw_messages_have_as_many_lines_as_headers(exchange in hostile::exchange()) {
        let exchange = Exchange { version: Version::Http11, ..exchange };
        let raw = raw(&exchange, Side::Request).unwrap();
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(raw[..end].to_vec()).unwrap();
        let named = exchange.request.headers.iter().filter(|header| command::is_token(&header.name)).count();
        let host = exchange.request.header("host").next().is_none() && !exchange.host.is_empty();
        prop_assert_eq!(head.split(['\r', '\n']).filter(|line| !line.is_empty()).count(), 1 + named + usize::from(host));
    }
}
