//! The messages in a body of gRPC: each has five bytes before it, whether it is compressed and how long it is.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::HeaderMap;

use crate::http::MAX_BODY;

pub(super) const PREFIX: usize = 5;

/// Reads messages one after the other, however they were cut into frames.
#[derive(Debug)]
pub struct Messages {
    body: Incoming,
    read: BytesMut,
    trailers: HeaderMap,
}

impl Messages {
    /// None of the body has been read yet.
    pub fn new(body: Incoming) -> Self {
        Self { body, read: BytesMut::new(), trailers: HeaderMap::new() }
    }

    /// The next message with its prefix; none: the body has ended.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when it ends within a message, `InvalidData` when one is longer than 64 MiB.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(message) = whole(&mut self.read)? {
                return Ok(Some(message));
            }
            match self.body.frame().await {
                Some(frame) => match frame.map_err(super::broken)?.into_data() {
                    Ok(data) => self.read.extend_from_slice(&data),
                    Err(frame) => self.trailers.extend(frame.into_trailers().unwrap_or_default()),
                },
                None if self.read.is_empty() => return Ok(None),
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Empty until the body has ended.
    pub fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }
}

/// Takes one message off the front, if all of it is there.
fn whole(read: &mut BytesMut) -> io::Result<Option<Bytes>> {
    let Some(mut prefix) = read.get(..PREFIX) else { return Ok(None) };
    prefix.advance(1);
    let length = usize::try_from(prefix.get_u32()).unwrap_or(usize::MAX);
    if length > MAX_BODY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "message too long"));
    }
    let length = PREFIX + length;
    Ok((read.len() >= length).then(|| read.split_to(length).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_its_last_byte_has_come() {
        let bytes = b"\x00\x00\x00\x00\x03abc\x00\x00\x00\x00\x00\x01";
        let (mut read, mut taken) = (BytesMut::new(), Vec::new());
        for (at, byte) in bytes.iter().enumerate() {
            read.extend_from_slice(&[*byte]);
            taken.extend(whole(&mut read).unwrap().map(|message| (at, message)));
        }
        assert_eq!(taken, [(7, Bytes::from_static(&bytes[..8])), (12, Bytes::from_static(&bytes[8..13]))]);
        assert_eq!(read, b"\x01"[..]);
    }

    #[test]
    fn a_message_that_would_not_fit_is_refused_before_it_comes() {
        let mut read = BytesMut::from(&b"\x00\xff\xff\xff\xff"[..]);
        assert_eq!(whole(&mut read).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
