use proptest::prelude::*;

use super::*;
use crate::decode;
use crate::exchange::Header;
use crate::text::sample::{self, cut, hostile};

fn header(name: &str, value: &str) -> String {
    let mut header = Header { name: name.into(), value: value.into() };
    headers::cover(&mut header);
    header.value
}

#[test]
fn headers_keep_what_is_no_secret_in_them() {
    for (name, value, covered) in [
        ("Authorization", "Bearer abc", "Bearer ••••"),
        ("authorization", "AWS4-HMAC-SHA256 Credential=a/b, Signature=c", "AWS4-HMAC-SHA256 ••••"),
        ("Authorization", "correct horse", "••••"),
        ("Authorization", "abc", "••••"),
        ("Authorization", "", ""),
        ("Proxy-Authorization", "Basic dTpw", "Basic ••••"),
        ("Cookie", "a=1; sid=x=y;empty=; flag", "a=••••; sid=••••;empty=; ••••"),
        ("Set-Cookie", "sid=x; Path=/; HttpOnly", "sid=••••; Path=/; HttpOnly"),
        ("Set-Cookie", "sid=; Max-Age=0", "sid=; Max-Age=0"),
        ("X-Api-Key", "abc", "••••"),
        ("apikey", "abc", "••••"),
        ("X-Auth-Token", "abc", "••••"),
        ("X-Csrf-Token", "abc", "••••"),
        ("X-XSRF", "abc", "••••"),
        ("X-Session-Id", "abc", "••••"),
        ("X-Client-Secret", "abc", "••••"),
        ("Ocp-Apim-Subscription-Key", "abc", "••••"),
        ("X-RateLimit-Remaining-Tokens", "1000", "1000"),
        ("X-RateLimit-Token", "abc", "••••"),
        (
            "Sec-WebSocket-Protocol",
            "v4, base64url.bearer.authorization.k8s.io.YWJj",
            "v4, base64url.bearer.authorization.k8s.io.••••",
        ),
        ("Sec-WebSocket-Key", "dGhl", "dGhl"),
        ("Idempotency-Key", "abc", "abc"),
        (
            "Location",
            "https://u:p@h/cb?code=1&state=2#access_token=x",
            "https://••••@h/cb?code=••••&state=2#access_token=••••",
        ),
        ("Referer", "/login?token=x", "/login?token=••••"),
        ("X-Request-Id", "abc", "abc"),
    ] {
        assert_eq!(header(name, value), covered, "{name}: {value}");
    }
}

#[test]
fn addresses_lose_users_and_secret_parameters() {
    for (target, covered) in [
        ("/a?api_key=1&b=2", "/a?api_key=••••&b=2"),
        ("/a?user%5Bpassw%6Frd%5D=1", "/a?user%5Bpassw%6Frd%5D=••••"),
        ("/a?password=", "/a?password="),
        ("/a?password", "/a?password"),
        ("/countries?code=de", "/countries?code=de"),
        ("/cb?code=de&state=x", "/cb?code=••••&state=x"),
        ("/list?pageToken=x&nextToken=y", "/list?pageToken=x&nextToken=y"),
        ("http://u:p@h:80/x?y=http://c:d@e", "http://••••@h:80/x?y=http://c:d@e"),
        ("/x?next=http://h/", "/x?next=http://h/"),
        ("u:p@h:443", "••••@h:443"),
        ("*", "*"),
        ("/@user/x", "/@user/x"),
        ("/blob?sig=a%2Bb&se=2026", "/blob?sig=••••&se=2026"),
        ("/b?X-Amz-Signature=a&X-Amz-Date=b", "/b?X-Amz-Signature=••••&X-Amz-Date=b"),
    ] {
        assert_eq!(url::target(target), covered);
    }
}

fn json(text: &str) -> String {
    json::cover(text.as_bytes()).map_or("-".into(), |covered| String::from_utf8(covered).unwrap())
}

#[test]
fn members_of_json_are_covered_at_any_depth() {
    for (text, covered) in [
        (r#"{"password":"a\"b","x":1}"#, r#"{"password":"••••","x":1}"#),
        (r#"[{"a":{"accessToken" : 12.50 }}]"#, r#"[{"a":{"accessToken" : "••••" }}]"#),
        (r#"{"pass\u0077ord":"x"}"#, r#"{"pass\u0077ord":"••••"}"#),
        (r#"{"token":null,"secret":true,"apiKey":""}"#, "-"),
        (r#"{"max_tokens":5,"nextPageToken":"x","code":"E1"}"#, "-"),
        (r#"{"a":"password","b":"x"}"#, "-"),
        (
            r#"{"credentials":{"user":"u","more":["v",{"w":1}]},"b":"c"}"#,
            r#"{"credentials":{"user":"••••","more":["••••",{"w":"••••"}]},"b":"c"}"#,
        ),
        ("{\"token\":\"a\"}\n{\"token\":\"b\"}\n", "{\"token\":\"••••\"}\n{\"token\":\"••••\"}\n"),
        (r#"{"token":"a"#, r#"{"token":"••••""#),
        (r#"{"token":12"#, r#"{"token":"••••""#),
    ] {
        assert_eq!(json(text), covered, "{text}");
    }
}

#[test]
fn wherever_a_body_was_cut_off_its_secret_is_covered() {
    let text = r#"{"a":[1,{"password":"hunter2","b":{}}],"token":{"value":"hunter2"}}"#;
    let message = sample::message(&[("content-type", "application/json")], text);
    for kept in 0..=text.len() {
        let mut exchange = sample::exchange();
        exchange.request = cut(&message, kept);
        let covered = cover(&exchange);
        let shown = String::from_utf8_lossy(&covered.request.body.kept);
        assert!(!shown.contains('h'), "{shown}");
        assert_eq!(covered.request.body.is_whole(), kept == text.len());
        assert_eq!(covered.request.body.size, text.len() as u64);
    }
}

#[test]
fn packed_bodies_are_unpacked_for_it_and_packed_again() {
    let text = format!(r#"{{"password":"hunter2","fill":"{}"}}"#, "x".repeat(100_000));
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, zstd"] {
        let codings = decode::coding::codings(std::iter::once(coding)).unwrap();
        let packed = decode::coding::pack(text.clone().into_bytes(), &codings).unwrap();
        let of = [("content-type", "application/json"), ("content-encoding", coding)];
        let mut exchange = sample::exchange();
        exchange.answer = Some(sample::message(&of, packed));
        let answer = cover(&exchange).answer.unwrap();
        let shown = String::from_utf8(decode::contents(&answer).bytes.to_vec()).unwrap();
        assert_eq!(shown, text.replace("hunter2", COVER), "{coding}");
        assert!(answer.body.is_whole(), "{coding}");
    }
}

#[test]
fn forms_are_covered_field_by_field() {
    let mut exchange = sample::exchange();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    exchange.request = sample::message(&form, "user=a&password=b+c&grant_type=x&code=1");
    let covered = cover(&exchange);
    assert_eq!(covered.request.body.kept, "user=a&password=••••&grant_type=x&code=••••");
    assert!(is_covered(&covered) && covered.request.body.is_whole());
    let multipart = [("content-type", "multipart/form-data; boundary=\"b\"")];
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = |secret: &str| format!("{}{}--b--\r\n", part("user", "a"), part("password", secret));
    exchange.request = sample::message(&multipart, body("hunter2\r\nx"));
    assert_eq!(cover(&exchange).request.body.kept, body(COVER));
}

#[test]
fn an_exchange_without_secrets_is_as_it_was() {
    let mut exchange = sample::exchange();
    exchange.request.headers.pop();
    assert_eq!(cover(&exchange), exchange);
    assert!(!is_covered(&exchange));
    let grpc = sample::message(&[("content-type", "application/grpc+json")], r#"{"token":"x"}"#);
    exchange.request = grpc;
    assert_eq!(cover(&exchange), exchange);
}

proptest! {
    #[test]
    fn covering_twice_covers_no_more(exchange in hostile::exchange()) {
        let once = cover(&exchange);
        prop_assert_eq!(&cover(&once), &once);
        prop_assert_eq!(once.request.body.is_whole(), exchange.request.body.is_whole());
    }

    /// Whatever is around it.
    #[test]
    fn the_value_of_a_secret_member_is_gone(before in "[\\[\\]{} ,1a-]{0,12}", secret in "[^\"\\\\]{1,12}", after in "\\PC{0,12}") {
        let text = format!("{before}\"token\":\"~{secret}~\"{after}");
        let shown = json(&text).contains(&format!("~{secret}~"));
        prop_assert!(!shown);
    }
}
