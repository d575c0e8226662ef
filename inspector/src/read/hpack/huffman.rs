//! The Huffman code of RFC 7541, Appendix B.
//!
//! It is canonical: codes of one length follow each other in the order of their symbols, and shorter ones come before longer
//! ones. So the lengths say all, and a code is found by comparing numbers, a length at a time.

use super::HpackError;

/// Bits of the longest codes.
const LONGEST: usize = 30;
/// The last symbol: the end of a string. Only its beginning may occur, as padding.
const END: u16 = 256;

/// Bits of each symbol's code.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Codes of one length.
#[derive(Clone, Copy)]
struct Codes {
    length: u32,
    /// The smallest of them.
    first: u32,
    /// What follows the largest of them, as the first of 32 bits; 33 bits for the last of all.
    end: u64,
    /// Where the symbol of the smallest one stands in [`SYMBOLS`].
    at: u32,
}

/// By length, from 1 on.
const CODES: [Codes; LONGEST] = codes();
/// In the order of their codes.
const SYMBOLS: [u16; 257] = symbols();

const fn codes() -> [Codes; LONGEST] {
    let mut all = [Codes { length: 0, first: 0, end: 0, at: 0 }; LONGEST];
    let (mut code, mut at, mut length) = (0_u32, 0_u32, 1_u32);
    while length <= LONGEST as u32 {
        let first = code;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            code += (LENGTHS[symbol] as u32 == length) as u32;
            symbol += 1;
        }
        all[length as usize - 1] = Codes { length, first, end: (code as u64) << (32 - length), at };
        at += code - first;
        code <<= 1;
        length += 1;
    }
    all
}

const fn symbols() -> [u16; 257] {
    let mut all = [0; 257];
    let (mut at, mut length) = (0, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                all[at] = symbol as u16;
                at += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    all
}

/// A string of at most `most` octets.
pub(super) fn decode(coded: &[u8], most: usize) -> Result<Vec<u8>, HpackError> {
    let mut decoded = Vec::new();
    // The last `have` bits of `bits` are still to be read.
    let (mut bits, mut have) = (0_u64, 0_u32);
    let mut coded = coded.iter();
    loop {
        while have <= 32 {
            let Some(&octet) = coded.next() else { break };
            bits = (bits << 8) | u64::from(octet);
            have += 8;
        }
        if have == 0 {
            return Ok(decoded);
        }
        // The next 32 bits; ones after the end, as the padding.
        let window = if have >= 32 {
            (bits >> (have - 32)) & 0xffff_ffff
        } else {
            ((bits << (32 - have)) & 0xffff_ffff) | (u64::from(u32::MAX) >> have)
        };
        let codes = CODES.iter().find(|codes| window < codes.end).ok_or(HpackError::Huffman)?;
        if codes.length > have {
            // Less than an octet is left, and the ones after it may not have made it what it is.
            let ones = (1_u64 << have) - 1;
            return if have < 8 && bits & ones == ones { Ok(decoded) } else { Err(HpackError::Huffman) };
        }
        let code = window >> (32 - codes.length);
        let at = u64::from(codes.at) + code.saturating_sub(u64::from(codes.first));
        let symbol = usize::try_from(at).ok().and_then(|at| SYMBOLS.get(at));
        match symbol {
            Some(&symbol) if symbol < END => decoded.push(symbol as u8),
            _ => return Err(HpackError::Huffman),
        }
        if decoded.len() > most {
            return Err(HpackError::TooLong);
        }
        have -= codes.length;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The code of a symbol, counted up as the RFC does, not as above.
    fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut order: Vec<usize> = (0..LENGTHS.len()).collect();
        order.sort_by_key(|symbol| (LENGTHS[*symbol], *symbol));
        let (mut codes, mut code, mut length) = ([0_u32; 257], 0, LENGTHS[order[0]]);
        for symbol in order {
            code <<= LENGTHS[symbol] - length;
            length = LENGTHS[symbol];
            codes[symbol] = code;
            code += 1;
        }
        let mut bits = String::new();
        for byte in bytes {
            let (code, length) = (codes[usize::from(*byte)], usize::from(LENGTHS[usize::from(*byte)]));
            bits += &format!("{code:0length$b}");
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        let octets: Vec<_> = bits.as_bytes().chunks(8).map(|octet| str::from_utf8(octet).unwrap()).collect();
        octets.iter().map(|octet| u8::from_str_radix(octet, 2).unwrap()).collect()
    }

    #[test]
    fn padding_is_less_than_an_octet_of_ones() {
        assert_eq!(decode(&[0b0001_1111], 9), Ok(b"a".to_vec()));
        assert_eq!(decode(&[0b0001_1110], 9), Err(HpackError::Huffman));
        assert_eq!(decode(&[0b0001_1111, 0xff], 9), Err(HpackError::Huffman));
        assert_eq!(decode(&[0xff], 9), Err(HpackError::Huffman));
        assert_eq!(decode(&[], 0), Ok(Vec::new()));
    }

    #[test]
    fn the_end_of_a_string_does_not_occur_in_it() {
        assert_eq!(decode(&[0xff; 4], 9), Err(HpackError::Huffman));
        assert_eq!(decode(&[0xff; 64], 9), Err(HpackError::Huffman));
    }

    #[test]
    fn a_string_is_not_longer_than_it_may_be() {
        let coded = encode(b"0000000000");
        assert_eq!(decode(&coded, 10), Ok(b"0000000000".to_vec()));
        assert_eq!(decode(&coded, 9), Err(HpackError::TooLong));
    }

    proptest! {
        #[test]
        fn every_string_comes_out_as_it_went_in(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes), bytes.len()), Ok(bytes));
        }
    }
}
