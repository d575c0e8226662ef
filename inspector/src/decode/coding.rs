//! `Content-Encoding`: gzip, deflate, br and zstd, several in a row.
//!
//! What unpacks to more than [`LIMIT`] is a bomb, or at least more than anybody reads. Packing again is for bodies whose
//! secrets were covered: they stay what their headers say.

mod brotli;

use std::io::{self, Read, Write as _};

use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};

/// So many bytes are unpacked, at every step.
pub(crate) const LIMIT: usize = 1 << 20;
/// More in a row nobody means.
const MOST: usize = 4;
/// The largest window that a zstd content coding may have (RFC 9659 §3), as a logarithm.
const ZSTD_WINDOW: u32 = 23;

/// How a body was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// Why unpacking ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was all.
    Whole,
    /// The packed bytes end too early.
    Cut,
    /// At [`LIMIT`].
    Limit,
    /// What follows is not packed like this.
    Broken,
}

/// What was unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: End,
}

impl Coding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    fn unpack(self, bytes: &[u8]) -> Unpacked {
        match self {
            Self::Gzip => drain(MultiGzDecoder::new(bytes)),
            // Meant is zlib (RFC 9110 §8.4.1.2); some send it without its frame.
            Self::Deflate if is_zlib(bytes) => drain(ZlibDecoder::new(bytes)),
            Self::Deflate => drain(DeflateDecoder::new(bytes)),
            Self::Brotli => brotli::unpack(bytes),
            Self::Zstd => zstd_decoder(bytes).map_or(Unpacked { bytes: Vec::new(), end: End::Broken }, drain),
        }
    }

    fn pack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Brotli => Ok(brotli::pack(bytes)),
            Self::Zstd => zstd::stream::encode_all(bytes, 1),
        }
    }
}

/// What `Content-Encoding` lists, in the order in which it was done.
///
/// # Errors
/// The name that is not known, or the first that is too many.
pub(crate) fn codings<'a>(values: impl Iterator<Item = &'a str>) -> Result<Vec<Coding>, String> {
    let mut codings = Vec::new();
    for name in values.flat_map(|value| value.split(',')) {
        let name = name.trim().to_ascii_lowercase();
        let coding = match name.as_str() {
            "" | "identity" => continue,
            "gzip" | "x-gzip" if codings.len() < MOST => Coding::Gzip,
            "deflate" if codings.len() < MOST => Coding::Deflate,
            "br" if codings.len() < MOST => Coding::Brotli,
            "zstd" if codings.len() < MOST => Coding::Zstd,
            _ => return Err(name),
        };
        codings.push(coding);
    }
    Ok(codings)
}

/// Undoes all of them, the last one first, as far as it goes.
pub(crate) fn unpack(bytes: &[u8], codings: &[Coding]) -> Unpacked {
    let mut end = End::Whole;
    let mut unpacked: Option<Vec<u8>> = None;
    for coding in codings.iter().rev() {
        let step = coding.unpack(unpacked.as_deref().unwrap_or(bytes));
        // The outermost trouble is the one that explains the others.
        if end == End::Whole {
            end = step.end;
        }
        unpacked = Some(step.bytes);
    }
    Unpacked { bytes: unpacked.unwrap_or_else(|| bytes.to_vec()), end }
}

/// Does all of them; none: that failed.
pub(crate) fn pack(bytes: Vec<u8>, codings: &[Coding]) -> Option<Vec<u8>> {
    codings.iter().try_fold(bytes, |bytes, coding| coding.pack(&bytes).ok())
}

fn drain(mut from: impl Read) -> Unpacked {
    let mut bytes = Vec::new();
    let mut piece = [0; 8 << 10];
    let end = loop {
        match from.read(&mut piece) {
            Ok(0) => break End::Whole,
            Ok(read) => bytes.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break End::Cut,
            Err(_) => break End::Broken,
        }
        if bytes.len() > LIMIT {
            bytes.truncate(LIMIT);
            break End::Limit;
        }
    };
    Unpacked { bytes, end }
}

fn zstd_decoder(bytes: &[u8]) -> io::Result<zstd::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(ZSTD_WINDOW)?;
    Ok(decoder)
}

/// The method is 8, and the first two bytes are a multiple of 31 (RFC 1950 §2.2).
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..]
        if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}
