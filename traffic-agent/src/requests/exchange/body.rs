//! Where the body of a message ends.
//!
//! Only lengths are followed; no byte of a body is kept. A chunked body that bends the grammar is an error
//! rather than a guess: a server might read it differently, and the end found here would be wrong.

/// Longest chunk extension, and longest trailer section.
const LINES_LIMIT: u32 = 64 << 10;
/// Hexadecimal digits of the longest chunk size that fits `u64`.
const SIZE_DIGITS: u8 = 16;

/// The rest of a body that is being transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// This many bytes (`Content-Length`).
    Exact(u64),
    /// Up to the last chunk and its trailers.
    Chunked(Chunked),
    /// Up to the end of the connection.
    UntilClose,
}

/// What [`Body::feed`] made of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fed {
    /// Bytes that belong to this body.
    pub(super) used: usize,
    /// Whether the body is complete.
    pub(super) ended: bool,
}

/// The body breaks its own framing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Body {
    /// Follows the body through `bytes`, up to its end at most.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Malformed> {
        match self {
            Self::Exact(left) => {
                let used = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= used as u64;
                Ok(Fed { used, ended: *left == 0 })
            }
            Self::Chunked(chunked) => chunked.feed(bytes),
            Self::UntilClose => Ok(Fed { used: bytes.len(), ended: false }),
        }
    }
}

/// Position in a chunked body (RFC 9112 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunked {
    at: At,
    size: u64,
    digits: u8,
    lines: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
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
}

impl Default for Chunked {
    fn default() -> Self {
        Self { at: At::Size, size: 0, digits: 0, lines: 0 }
    }
}

impl Chunked {
    fn feed(&mut self, bytes: &[u8]) -> Result<Fed, Malformed> {
        let mut used = 0;
        while let Some(&byte) = bytes.get(used) {
            if self.at == At::Data {
                let here = bytes.len() - used;
                let step = usize::try_from(self.size).unwrap_or(usize::MAX).min(here);
                used += step;
                self.size -= step as u64;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            used += 1;
            self.at = match self.step(byte)? {
                Some(next) => next,
                None => return Ok(Fed { used, ended: true }),
            };
        }
        Ok(Fed { used, ended: false })
    }

    /// One byte outside of chunk data; `None` after the last one of the body.
    fn step(&mut self, byte: u8) -> Result<Option<At>, Malformed> {
        let next = match (self.at, byte) {
            (At::Size, b'\r') if self.digits > 0 => At::SizeLf,
            (At::Size, b';' | b' ' | b'\t') if self.digits > 0 => At::Extension,
            (At::Size, _) => self.digit(byte)?,
            (At::Extension, b'\r') => At::SizeLf,
            (At::Extension, b'\n') => return Err(Malformed),
            (At::Extension, _) => self.line(At::Extension)?,
            (At::SizeLf, b'\n') if self.size == 0 => At::LineStart,
            (At::SizeLf, b'\n') => At::Data,
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => {
                self.digits = 0;
                At::Size
            }
            (At::LineStart, b'\r') => At::LastLf,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::LineStart | At::Trailer, b'\n') => return Err(Malformed),
            (At::LineStart | At::Trailer, _) => self.line(At::Trailer)?,
            (At::TrailerLf, b'\n') => At::LineStart,
            (At::LastLf, b'\n') => return Ok(None),
            _ => return Err(Malformed),
        };
        Ok(Some(next))
    }

    fn digit(&mut self, byte: u8) -> Result<At, Malformed> {
        let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
        if self.digits >= SIZE_DIGITS {
            return Err(Malformed);
        }
        self.size = (self.size << 4) | u64::from(digit);
        self.digits += 1;
        Ok(At::Size)
    }

    fn line(&mut self, at: At) -> Result<At, Malformed> {
        self.lines += 1;
        if self.lines > LINES_LIMIT { Err(Malformed) } else { Ok(at) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(bytes: &[u8]) -> Result<Fed, Malformed> {
        Body::Chunked(Chunked::default()).feed(bytes)
    }

    #[test]
    fn a_chunked_body_ends_after_its_trailers() {
        let body = b"5;x=y\r\nhello\r\nA \r\n0123456789\r\n0\r\nDigest: z\r\nMore: 1\r\n\r\n";
        let fed = chunked(&[&body[..], b"GET /next"].concat()).unwrap();
        assert_eq!(fed, Fed { used: body.len(), ended: true });
    }

    #[test]
    fn an_exact_body_leaves_what_follows_it() {
        assert_eq!(Body::Exact(3).feed(b"abcdef"), Ok(Fed { used: 3, ended: true }));
        assert_eq!(Body::Exact(9).feed(b"abcdef"), Ok(Fed { used: 6, ended: false }));
    }

    #[test]
    fn chunks_that_bend_the_grammar_are_refused() {
        for body in
            [&b"\r\n"[..], b"x\r\n", b"5\nhello", b"5\r\nhello!", b"11111111111111111\r\n", b"0\r\nA\n\r\n"]
        {
            assert_eq!(chunked(body), Err(Malformed), "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn endless_extensions_and_trailers_are_refused() {
        let long = vec![b'x'; LINES_LIMIT as usize + 1];
        assert_eq!(chunked(&[b"5;", &long[..]].concat()), Err(Malformed));
        assert_eq!(chunked(&[b"0\r\n", &long[..]].concat()), Err(Malformed));
    }
}
