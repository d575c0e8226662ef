//! The corpus, and what comes of it by a few changes, for the stable tests of every package whose readers are fuzzed.

use std::{fs, path::Path};

/// Feeds `target` with the corpus, `seeds`, and `changes` of each of them.
pub(crate) fn attack(name: &str, changes: u32, mut seeds: Vec<Vec<u8>>, target: fn(&[u8])) {
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
        for _ in 0..changes {
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
