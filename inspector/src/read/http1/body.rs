//! Where the body of a message ends, and what of its bytes is its contents.
//!
//! A chunked body that bends the grammar is an error rather than a guess: a server might read it differently, and the end
//! found here would be wrong.

use crate::read::Unreadable;

/// Hexadecimal digits of the longest chunk size that fits `u64`.
const SIZE_DIGITS: u8 = 16;

/// The rest of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Framed {
    at: At,
    /// Bytes of contents that are still to come, up to the end or that of the chunk.
    left: u64,
    /// Digits of the chunk's size.
    digits: u8,
    /// Bytes of the chunk's extensions.
    extensions: usize,
    trailers: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// `Content-Length`.
    Exact,
    UntilClose,
    // Chunked, RFC 9112 §7.1.
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    LineStart,
    Trailer,
    TrailerLf,
    LastLf,
    Over,
}

/// What some bytes of a body are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Contents.
    Data(&'a [u8]),
    /// Nothing that is kept.
    Framing,
    /// The lines after the last chunk, with the empty one that ends them. There is at least one.
    Trailers(Vec<u8>),
}

impl Framed {
    /// A body of `length` bytes.
    pub(super) fn exact(length: u64) -> Self {
        Self { left: length, ..Self::begin(if length == 0 { At::Over } else { At::Exact }) }
    }

    pub(super) fn chunked() -> Self {
        Self::begin(At::Size)
    }

    pub(super) fn until_close() -> Self {
        Self::begin(At::UntilClose)
    }

    fn begin(at: At) -> Self {
        Self { at, left: 0, digits: 0, extensions: 0, trailers: Vec::new() }
    }

    /// Whether all of it has passed.
    pub(super) fn is_over(&self) -> bool {
        self.at == At::Over
    }

    /// Whether the end of the connection is its end, and no error.
    pub(super) fn ends_with_connection(&self) -> bool {
        self.at == At::UntilClose
    }

    /// Takes the next part, of `bytes` that are not empty. The extensions of a chunk may have `most` bytes, and trailers, too.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8], most: usize) -> Result<Part<'a>, Unreadable> {
        if matches!(self.at, At::Exact | At::Data | At::UntilClose) {
            let left = if self.at == At::UntilClose { u64::MAX } else { self.left };
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (data, rest) = bytes.split_at_checked(take).ok_or(Unreadable)?;
            *bytes = rest;
            self.left = self.left.saturating_sub(take as u64);
            match self.at {
                At::Exact if self.left == 0 => self.at = At::Over,
                At::Data if self.left == 0 => self.at = At::DataCr,
                _ => {}
            }
            return Ok(Part::Data(data));
        }
        while let Some((&byte, rest)) = bytes.split_first() {
            self.at = self.step(byte, most)?;
            *bytes = rest;
            match self.at {
                At::Data => break,
                // The empty line alone is no trailer.
                At::Over if self.trailers.len() > 2 => {
                    return Ok(Part::Trailers(std::mem::take(&mut self.trailers)));
                }
                At::Over => break,
                _ => {}
            }
        }
        Ok(Part::Framing)
    }

    /// One byte of framing.
    fn step(&mut self, byte: u8, most: usize) -> Result<At, Unreadable> {
        if matches!(self.at, At::LineStart | At::Trailer | At::TrailerLf | At::LastLf) {
            if self.trailers.len() >= most {
                return Err(Unreadable);
            }
            self.trailers.push(byte);
        }
        Ok(match (self.at, byte) {
            (At::Size, b'\r') if self.digits > 0 => At::SizeLf,
            (At::Size, b';' | b' ' | b'\t') if self.digits > 0 => At::Extension,
            (At::Size, _) => self.digit(byte)?,
            (At::Extension, b'\r') => At::SizeLf,
            (At::Extension, b'\n') => return Err(Unreadable),
            (At::Extension, _) if self.extensions < most => {
                self.extensions += 1;
                At::Extension
            }
            (At::SizeLf, b'\n') if self.left == 0 => At::LineStart,
            (At::SizeLf, b'\n') => At::Data,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => {
                (self.digits, self.extensions) = (0, 0);
                At::Size
            }
            (At::LineStart, b'\r') => At::LastLf,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::LineStart | At::Trailer, b'\n') => return Err(Unreadable),
            (At::LineStart | At::Trailer, _) => At::Trailer,
            (At::TrailerLf, b'\n') => At::LineStart,
            (At::LastLf, b'\n') => At::Over,
            _ => return Err(Unreadable),
        })
    }

    fn digit(&mut self, byte: u8) -> Result<At, Unreadable> {
        let digit = char::from(byte).to_digit(16).ok_or(Unreadable)?;
        if self.digits >= SIZE_DIGITS {
            return Err(Unreadable);
        }
        self.left = (self.left << 4) | u64::from(digit);
        self.digits += 1;
        Ok(At::Size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contents, trailers, and what is left after the end.
    type Read<'a> = (Vec<u8>, Vec<u8>, &'a [u8]);

    fn read(mut framed: Framed, mut bytes: &[u8]) -> Result<Read<'_>, Unreadable> {
        let (mut contents, mut trailers) = (Vec::new(), Vec::new());
        while !bytes.is_empty() && !framed.is_over() {
            match framed.next(&mut bytes, 100)? {
                Part::Data(data) => contents.extend_from_slice(data),
                Part::Framing => {}
                Part::Trailers(lines) => trailers = lines,
            }
        }
        Ok((contents, trailers, bytes))
    }

    #[test]
    fn a_chunked_body_ends_after_its_trailers() {
        let body = b"5;x=y\r\nhello\r\nA \r\n0123456789\r\n0\r\nDigest: z\r\nMore: 1\r\n\r\nGET /next";
        let (contents, trailers, rest) = read(Framed::chunked(), body).unwrap();
        assert_eq!(contents, b"hello0123456789");
        assert_eq!(trailers, b"Digest: z\r\nMore: 1\r\n\r\n");
        assert_eq!(rest, b"GET /next");
        let many = [&b"01;x=y\r\na\r\n".repeat(50)[..], b"0\r\n\r\n"].concat();
        assert_eq!(read(Framed::chunked(), &many), Ok((vec![b'a'; 50], Vec::new(), &b""[..])));
        let none = (Vec::new(), Vec::new(), &b"x"[..]);
        assert_eq!(read(Framed::chunked(), b"00\r\n\r\nx"), Ok(none));
    }

    #[test]
    fn an_exact_body_leaves_what_follows_it() {
        assert_eq!(read(Framed::exact(3), b"abcdef"), Ok((b"abc".to_vec(), Vec::new(), &b"def"[..])));
        assert_eq!(read(Framed::exact(9), b"abc"), Ok((b"abc".to_vec(), Vec::new(), &b""[..])));
    }

    #[test]
    fn chunks_that_bend_the_grammar_are_not_read() {
        for body in [
            &b"\r\n"[..],
            b"x\r\n",
            b"-1\r\n",
            b"0x5\r\nhello",
            b"5\nhello",
            b"1\r\na\r\n\r\n",
            b"5;x\ny\r\nhello",
            b"5\r\nhello!",
            b"5\r\nhello\n",
            b"11111111111111111\r\n",
            b"0\r\nA\n\r\n",
            b"0\r\n\n",
        ] {
            assert_eq!(read(Framed::chunked(), body), Err(Unreadable), "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn endless_extensions_and_trailers_are_not_read() {
        let endless = |start: &str, again: &str| [start, &again.repeat(101)].concat();
        for body in [endless("5;", "x"), endless("0\r\n", "x")] {
            assert_eq!(read(Framed::chunked(), body.as_bytes()), Err(Unreadable), "{body}");
        }
    }
}
