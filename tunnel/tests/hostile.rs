//! Decoders of bytes from the other end: the corpus of `fuzz/`, and what comes of it by a few changes. The seed is
//! fixed, so a failure is the same each time; `just fuzz` looks for new ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::{fs, path::Path};

use devbridge_tunnel::{
    fuzz,
    message::{Env, MAX_MESSAGE, Open, Original, Refusal, Reply, ToAgent, ToLaptop, Unavailable, encode},
};

/// Changes of each seed.
const CHANGES: u32 = 3000;

/// Feeds `target` with the corpus, `seeds`, and changed ones.
fn attack(name: &str, mut seeds: Vec<Vec<u8>>, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    for file in fs::read_dir(corpus).unwrap() {
        seeds.push(fs::read(file.unwrap().path()).unwrap());
    }
    let mut random = 0x9e37_79b9_u32;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random as usize % below.max(1)
    };
    for seed in &seeds {
        target(seed);
        for _ in 0..CHANGES {
            let mut bytes = seed.clone();
            for _ in 0..=next(4) {
                let at = next(bytes.len());
                match next(6) {
                    0 if !bytes.is_empty() => bytes[at] = next(256) as u8,
                    1 if !bytes.is_empty() => bytes[at] ^= 1 << next(8),
                    2 if !bytes.is_empty() => drop(bytes.remove(at)),
                    3 => bytes.insert(at, [0, 1, 0x7f, 0x80, 0xff, b'\r', b'\n', b' '][next(8)]),
                    4 => bytes.truncate(at),
                    _ => {
                        let other = &seeds[next(seeds.len())];
                        let from = next(other.len());
                        let piece: Vec<u8> = other[from..].iter().copied().take(next(64)).collect();
                        bytes.splice(at..at, piece);
                    }
                }
            }
            target(&bytes);
        }
    }
}

#[test]
fn a_carrier_s_datagrams_can_be_anything() {
    attack("frames", Vec::new(), fuzz::frames);
}

#[test]
fn a_carrier_s_first_bytes_can_be_anything() {
    attack("greetings", Vec::new(), fuzz::greetings);
}

#[test]
fn messages_can_be_anything() {
    fn bytes<T: serde::Serialize>(message: &T) -> Vec<u8> {
        encode(message, MAX_MESSAGE).unwrap().split_off(4)
    }
    let addr = "[2001:db8::1]:8080".parse().unwrap();
    let seeds = vec![
        bytes(&Open::Request { port: 8080, from: "192.0.2.1:5000".parse().unwrap() }),
        bytes(&Open::Outbound { to: addr }),
        bytes(&Reply::Refused(Refusal::TimedOut)),
        bytes(&ToAgent::Hello { protocol: 2, release: "1.2.3".into() }),
        bytes(&ToAgent::Originals(vec![Original { port: 80, addr }; 3])),
        bytes(&ToAgent::Arm(Unavailable::Hold { millis: 5000 })),
        bytes(&ToLaptop::Welcome { protocol: 2, release: "1.2.3".into(), boot: [7; 16] }),
        bytes(&ToLaptop::ArmFailed("held".into())),
        bytes(&Env { variables: vec![(b"A".into(), b"b".into())], ..Env::default() }),
    ];
    attack("messages", seeds, fuzz::messages);
}
