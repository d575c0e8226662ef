use proptest::prelude::*;

use super::coding::{Coding, End, LIMIT, pack, unpack};
use super::*;
use crate::text::sample::{cut, hostile, message};

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

fn shown(media: &str, of: impl Into<Bytes>) -> Decoded {
    body(&message(&[("content-type", media)], of))
}

#[test]
fn a_packed_body_is_unpacked_and_said_to_be() {
    let text = "hello ".repeat(500);
    let packed = pack(text.clone().into_bytes(), &[Coding::Gzip]).unwrap();
    let size = packed.len();
    let decoded = body(&message(&[("content-encoding", "GZIP"), ("content-type", "text/plain")], packed));
    assert_eq!(decoded.text, text);
    assert_eq!(decoded.notes, [format!("gzip, {size} B -> 2.9 KiB")]);
    let decoded = body(&message(&[("content-encoding", "compress")], "x"));
    assert_eq!(decoded.notes, ["packed as compress, which can't be unpacked"]);
}

#[test]
fn brotli_as_others_write_it_is_unpacked() {
    // Of the encoder in Node.js; ours only stores.
    let packed = [
        0x1b, 0x83, 0x03, 0x88, 0x8c, 0x94, 0x6e, 0xe6, 0x22, 0xd0, 0x83, 0xa5, 0xba, 0x90, 0x5e, 0x13, 0x14,
        0x8d, 0x80, 0x7c, 0x43, 0x0b, 0x83, 0x0d, 0x38, 0x70, 0x48, 0x20, 0x6f, 0x24, 0xbe, 0x41, 0xa7, 0x15,
        0xce, 0x66, 0xc7, 0xe3, 0x44, 0x85, 0xa5, 0x60, 0x23, 0x9c, 0x88, 0xd5, 0x1f, 0x26, 0x05, 0x06,
    ];
    let unpacked = unpack(&packed, &[Coding::Brotli]);
    assert_eq!(unpacked.end, End::Whole);
    let text = "the quick brown fox jumps over the lazy dog. ".repeat(20);
    assert_eq!(String::from_utf8(unpacked.bytes).unwrap(), text);
    assert_eq!(unpack(&packed[..40], &[Coding::Brotli]).end, End::Cut);
}

#[test]
fn a_cut_body_gives_what_can_be_unpacked() {
    let text: String =
        (0..3000).map(|number| format!("line {number} {}\n", number * 7919 % 10_007)).collect();
    for coding in ALL {
        let packed = pack(text.clone().into_bytes(), &[coding]).unwrap();
        let of = message(&[("content-encoding", coding.name()), ("content-type", "text/plain")], packed);
        let decoded = body(&cut(&of, of.body.kept.len() * 2 / 3));
        assert!(text.starts_with(&decoded.text), "{coding:?}");
        // The others give what they have; zstd whole blocks of 128 KiB.
        assert_eq!(decoded.text.is_empty(), coding == Coding::Zstd, "{coding:?}");
        assert!(decoded.notes[0].starts_with("first "), "{:?}", decoded.notes);
        assert!(decoded.notes[1].ends_with("as far as it goes"), "{:?}", decoded.notes);
    }
}

#[test]
fn a_bomb_is_unpacked_up_to_the_limit() {
    for coding in ALL.into_iter().filter(|coding| *coding != Coding::Brotli) {
        let once = pack(vec![b'a'; 8 << 20], &[coding]).unwrap();
        assert!(once.len() < 100 << 10, "{}", once.len());
        let unpacked = unpack(&once, &[coding]);
        assert_eq!((unpacked.bytes.len(), unpacked.end), (LIMIT, End::Limit), "{coding:?}");
    }
}

#[test]
fn deflate_is_read_with_and_without_its_frame() {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"hello").unwrap();
    let bare = encoder.finish().unwrap();
    assert_eq!(unpack(&bare, &[Coding::Deflate]).bytes, b"hello");
    assert_eq!(
        unpack(&pack(b"hello".into(), &[Coding::Deflate]).unwrap(), &[Coding::Deflate]).bytes,
        b"hello"
    );
}

#[test]
fn json_is_indented_and_otherwise_as_it_was_written() {
    let pretty = shown("application/json", r#"{"b":1.50,"a":[{},[],"\u00e9",{"c":null}],"b":1e400}"#);
    let lines = [
        "{",
        "  \"b\": 1.50,",
        "  \"a\": [",
        "    {},",
        "    [],",
        "    \"\\u00e9\",",
        "    {",
        "      \"c\": null",
        "    }",
        "  ],",
        "  \"b\": 1e400",
        "}\n",
    ];
    assert_eq!((pretty.text.as_str(), pretty.notes), (lines.join("\n").as_str(), vec![]));
    assert_eq!(
        shown("", "{\"a\":1}\n{\"b\":[2]}\n").text,
        "{\n  \"a\": 1\n}\n{\n  \"b\": [\n    2\n  ]\n}\n"
    );
}

#[test]
fn what_is_no_json_any_more_stands_there_as_it_came() {
    let broken = shown("application/json", r#"{"a":1,'b':2}"#);
    assert_eq!(broken.text, "{\n  \"a\": 1,\n  'b':2}\n");
    assert_eq!(broken.notes, ["not JSON from byte 7 on"]);
    let cut = body(&cut(&message(&[("content-type", "application/json")], r#"{"a":[1,"long text"]}"#), 14));
    assert_eq!(cut.text, "{\n  \"a\": [\n    1,\n    \"long \n");
    assert_eq!(cut.notes, ["first 14 B of 21 B"]);
}

#[test]
fn depth_costs_neither_the_stack_nor_much_space() {
    let deep = "[".repeat(64 << 10);
    assert!(shown("application/json", deep).text.len() < 8 << 20);
}

#[test]
fn forms_and_parts_are_listed_one_a_line() {
    let form = shown("application/x-www-form-urlencoded; charset=utf-8", "a=1&b=x+%C3%A9%0A&c");
    assert_eq!(form.text, "a = 1\nb = x é\\n\nc = \n");
    let parts = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"user;x\"\r\n\r\nada\r\n--b\r\n\
                 content-disposition: form-data; name=f; filename=\"a\\\"b.png\"\r\nContent-Type: image/png\r\n\r\n\
                 \0\x01\r\n\x02\r\n--b--\r\nepilogue";
    let listed = "user;x (3 B) = ada\nf \"a\"b.png\" image/png (5 B)\n";
    assert_eq!(shown("multipart/form-data; boundary=b", parts).text, listed);
    let cut = body(&cut(&message(&[("content-type", "multipart/form-data; boundary=\"b\"")], parts), 65));
    assert_eq!(cut.text, "user;x (1 B, cut off) = a\n");
}

#[test]
fn charsets_are_followed_where_they_are_known() {
    assert_eq!(shown("text/plain; charset=ISO-8859-1", &b"caf\xe9"[..]).text, "café");
    let other = shown("text/plain; charset=\"windows-1251\"", &b"a\xef"[..]);
    assert_eq!(other.text, "a\u{fffd}");
    assert_eq!(other.notes, ["charset windows-1251 is read as UTF-8", "not all of it is UTF-8"]);
    let of = message(&[("content-type", "text/plain")], "añ");
    assert_eq!(
        body(&cut(&of, 2)),
        Decoded { text: "a".into(), notes: vec!["first 2 B of 3 B".into()], binary: false }
    );
}

#[test]
fn what_is_no_text_is_dumped() {
    let bytes: Vec<u8> = (0..=255).chain(0..100).collect();
    let dumped = shown("application/grpc", bytes);
    assert_eq!((dumped.notes, dumped.binary), (vec!["binary, 356 B".to_owned()], true));
    let lines: Vec<_> = dumped.text.lines().collect();
    assert_eq!(lines.len(), 16);
    assert_eq!(lines[4], "0040  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  @ABCDEFGHIJKLMNO");
    assert_eq!(shown("", "\0abc").text, format!("0000  00 61 62 63 {}  .abc\n", " ".repeat(36)));
}

#[test]
fn nothing_moves_the_cursor() {
    let shown = shown("text/plain", "a\u{1b}[2J\r\nb\rc\u{202e}\u{9b}\td");
    assert_eq!(shown.text, "a\\u{1b}[2J\nb\\rc\\u{202e}\\u{9b}\td");
    assert_eq!(printable("a\n\tb"), "a\\n\\tb");
}

proptest! {
    #[test]
    fn what_was_packed_is_unpacked(bytes in prop::collection::vec(any::<u8>(), 0..3000), which in prop::collection::vec(0_usize..4, 1..4)) {
        let codings: Vec<_> = which.into_iter().map(|at| ALL[at]).collect();
        let unpacked = unpack(&pack(bytes.clone(), &codings).unwrap(), &codings);
        prop_assert_eq!((unpacked.bytes, unpacked.end), (bytes, End::Whole));
    }

    #[test]
    fn packed_bytes_may_be_anything(mut bytes in prop::collection::vec(any::<u8>(), 0..400), which in 0_usize..4, flip in any::<(usize, u8)>()) {
        unpack(&bytes, &[ALL[which]]);
        // And nearly right.
        bytes = pack(bytes, &[ALL[which]]).unwrap();
        let at = flip.0 % bytes.len();
        bytes[at] ^= flip.1;
        unpack(&bytes, &[ALL[which]]);
    }

    /// Whatever it is: no token gets lost, no other comes in.
    #[test]
    fn indentation_changes_nothing_but_space(text in "(\\{|\\}|\\[|\\]|:|,|\"|\\\\| |1|true|\"a\"|\"a\":|é|x){0,40}") {
        let pretty = json::pretty(&text).text;
        let all = |text: &str| -> Vec<String> {
            let tokens = json::tokens(text.as_bytes()).filter(|(token, _)| *token != json::Token::Space);
            tokens.map(|(_, at)| text[at].to_owned()).collect()
        };
        prop_assert_eq!(all(pretty.trim_end_matches('\n')), all(&text));
    }

    #[test]
    fn json_is_indented_whole(value in json_value()) {
        let text = value.to_string();
        let pretty = json::pretty(&text);
        prop_assert_eq!(pretty.raw_from, None);
        prop_assert_eq!(pretty.text.trim_end(), serde_json::to_string_pretty(&value).unwrap());
    }

    #[test]
    fn any_body_can_be_shown(message in hostile::message()) {
        let decoded = body(&message);
        prop_assert!(!decoded.text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        prop_assert!(!decoded.notes.concat().chars().any(char::is_control));
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::hash_map("\\PC{0,6}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
