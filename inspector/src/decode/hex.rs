//! The beginning of what is no text.

use std::fmt::Write as _;

/// So many bytes are shown.
const SHOWN: usize = 256;
/// So many in a line.
const WIDTH: usize = 16;

/// Offset, bytes and their ASCII characters, 16 a line, of the first 256 bytes.
pub(super) fn dump(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    let mut out = String::new();
    for (index, line) in shown.chunks(WIDTH).enumerate() {
        // Writing to a string can't fail.
        let _ = write!(out, "{:04x} ", index * WIDTH);
        for at in 0..WIDTH {
            if at % 8 == 0 {
                out.push(' ');
            }
            let _ = match line.get(at) {
                Some(byte) => write!(out, "{byte:02x} "),
                None => write!(out, "   "),
            };
        }
        out.push(' ');
        out.extend(line.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        }));
        out.push('\n');
    }
    out
}
