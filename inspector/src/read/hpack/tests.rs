use proptest::prelude::*;

use super::{table::DEFAULT_SIZE, *};

const MOST: usize = 1 << 20;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Each block with its fields, one a line, and the size of the table after it.
fn check(table: usize, blocks: &[(&str, &str, usize)]) {
    let mut decoder = Decoder::default();
    decoder.table.resize(table);
    for (hex, fields, size) in blocks {
        let decoded = decoder.decode(&bytes(hex), DEFAULT_SIZE, MOST).unwrap();
        let lines: Vec<_> = decoded
            .iter()
            .map(|field| {
                format!("{}: {}", str::from_utf8(&field.name).unwrap(), str::from_utf8(&field.value).unwrap())
            })
            .collect();
        assert_eq!(lines.join("\n"), *fields);
        assert_eq!(decoder.table.size(), *size, "{fields}");
    }
}

/// RFC 7541 §C.1.
#[test]
fn integers_are_read() {
    for (hex, prefix, value) in [("0a", 5, 10), ("1f9a0a", 5, 1337), ("2a", 8, 42), ("ff8001", 7, 255)] {
        let all = bytes(hex);
        let mut left = &all[..];
        assert_eq!(integer(&mut left, prefix), Ok(value));
        assert!(left.is_empty());
    }
    assert_eq!(integer(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 1][..], 7), Err(HpackError::Integer));
    assert_eq!(integer(&mut &[0xff, 0x80][..], 7), Err(HpackError::Truncated));
}

/// RFC 7541 §C.2.
#[test]
fn each_kind_of_field_is_read() {
    check(4096, &[("400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header", 55)]);
    check(4096, &[("040c2f73616d706c652f70617468", ":path: /sample/path", 0)]);
    check(4096, &[("100870617373776f726406736563726574", "password: secret", 0)]);
    check(4096, &[("82", ":method: GET", 0)]);
}

const REQUESTS: [(&str, usize); 3] = [
    (":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com", 57),
    (":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache", 110),
    (
        ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\ncustom-key: custom-value",
        164,
    ),
];

/// RFC 7541 §C.3.
#[test]
fn requests_without_huffman_codes_are_read() {
    let blocks = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    check(4096, &[0, 1, 2].map(|at: usize| (blocks[at], REQUESTS[at].0, REQUESTS[at].1)));
}

/// RFC 7541 §C.4.
#[test]
fn requests_with_huffman_codes_are_read() {
    let blocks = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    check(4096, &[0, 1, 2].map(|at: usize| (blocks[at], REQUESTS[at].0, REQUESTS[at].1)));
}

const ANSWERS: [(&str, usize); 3] = [
    (
        ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com",
        222,
    ),
    (
        ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\nlocation: https://www.example.com",
        222,
    ),
    (
        ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\nlocation: https://www.example.com\n\
         content-encoding: gzip\nset-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        215,
    ),
];

/// RFC 7541 §C.5: the table has 256 octets, so entries are evicted.
#[test]
fn answers_without_huffman_codes_are_read() {
    let blocks = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d \
         546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f \
         6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b \
         2076 6572 7369 6f6e 3d31",
    ];
    check(256, &[0, 1, 2].map(|at: usize| (blocks[at], ANSWERS[at].0, ANSWERS[at].1)));
}

/// RFC 7541 §C.6.
#[test]
fn answers_with_huffman_codes_are_read() {
    let blocks = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 \
         8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 \
         dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    check(256, &[0, 1, 2].map(|at: usize| (blocks[at], ANSWERS[at].0, ANSWERS[at].1)));
}

#[test]
fn a_table_is_resized_in_front_of_a_block_and_within_bounds() {
    let decode =
        |hex: &str, table| Decoder::default().decode(&bytes(hex), table, MOST).map(|fields| fields.len());
    assert_eq!(decode("203fe11f82", 4096), Ok(1), "to 0, then to 4096");
    assert_eq!(decode("8220", 4096), Err(HpackError::TableSize), "behind a field");
    assert_eq!(decode("3fe21f82", 4096), Err(HpackError::TableSize), "4097");
    assert_eq!(decode("3fe2ff0382", 1 << 30), Err(HpackError::TableSize), "more than anybody needs");
    let mut decoder = Decoder::default();
    decoder.decode(&bytes("400161016240016301 64"), 4096, MOST).unwrap();
    assert_eq!(decoder.table.size(), 68);
    decoder.decode(&bytes("3f03"), 4096, MOST).unwrap();
    assert_eq!(
        decoder.decode(&bytes("be"), 4096, MOST).unwrap()[0].name,
        b"c",
        "34 octets: the newest stays"
    );
    assert_eq!(decoder.decode(&bytes("bf"), 4096, MOST), Err(HpackError::Index));
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::default();
    decoder.table.resize(40);
    decoder.decode(&bytes("4001610162"), 40, MOST).unwrap();
    assert_eq!(decoder.table.size(), 34);
    decoder.decode(&bytes("4001610a62626262626262626262"), 40, MOST).unwrap();
    assert_eq!(decoder.table.size(), 0);
}

#[test]
fn what_breaks_the_format_is_an_error() {
    let decode = |hex: &str| Decoder::default().decode(&bytes(hex), 4096, MOST);
    assert_eq!(decode("80"), Err(HpackError::Index), "index 0");
    assert_eq!(decode("be"), Err(HpackError::Index), "an empty table");
    assert_eq!(decode("7e0161"), Err(HpackError::Index), "a name that is not there");
    assert_eq!(decode("400a6161"), Err(HpackError::Truncated));
    assert_eq!(decode("40016185ffffffffff"), Err(HpackError::Huffman));
}

#[test]
fn a_small_block_does_not_become_large() {
    let mut decoder = Decoder::default();
    let mut block = bytes("4001617f8117");
    block.extend(vec![b'x'; 3072]);
    decoder.decode(&block, 4096, MOST).unwrap();
    assert!(decoder.table.size() > 3072);
    assert_eq!(decoder.decode(&[0xbe; 20_000], 4096, 64 << 10), Err(HpackError::TooLong));
}

proptest! {
    #[test]
    fn a_block_can_be_anything(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..8)) {
        let mut decoder = Decoder::default();
        for block in blocks {
            if let Ok(fields) = decoder.decode(&block, 4096, 1000) {
                prop_assert!(fields.iter().map(Field::size).sum::<usize>() <= 1000);
            }
            prop_assert!(decoder.table.size() <= 4096);
        }
    }
}
