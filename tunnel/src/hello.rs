//! The first bytes of a carrier: the laptop says which session it belongs to, the agent whether it knows that.
//!
//! laptop → agent: magic, `u16` protocol, token. agent → laptop: magic, `u16` protocol, one byte. Without the
//! answer a laptop could not tell an agent from a port-forward that leads nowhere, nor an agent that was
//! started anew from one that has its session. Datagrams follow the hello at once; nothing waits for the answer.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{identity::Token, version::PROTOCOL};

const MAGIC: [u8; 4] = *b"DVBR";
const HELLO: usize = MAGIC.len() + 2 + 16;
const ANSWER: usize = MAGIC.len() + 2 + 1;

/// Laptop → agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    /// Protocol of the laptop.
    pub(crate) protocol: u16,
    /// The session.
    pub(crate) token: Token,
}

/// Agent → laptop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Protocol of the agent.
    pub(crate) protocol: u16,
    /// Whether the agent already had a session of that token.
    pub(crate) known: bool,
}

/// The carrier does not begin as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other end does not speak this protocol")]
pub(crate) struct HelloError;

impl Hello {
    pub(crate) fn new(token: Token) -> Self {
        Self { protocol: PROTOCOL, token }
    }

    pub(crate) fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(HELLO);
        out.put_slice(&MAGIC);
        out.put_u16(self.protocol);
        out.put_slice(&self.token.0);
        out.freeze()
    }
}

impl Answer {
    pub(crate) fn new(known: bool) -> Self {
        Self { protocol: PROTOCOL, known }
    }

    pub(crate) fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(ANSWER);
        out.put_slice(&MAGIC);
        out.put_u16(self.protocol);
        out.put_u8(self.known.into());
        out.freeze()
    }
}

/// Something that stands at the beginning of a carrier.
pub(crate) trait Greeting: Sized {
    /// Takes itself off the front of `bytes`; `None` until enough are there.
    ///
    /// # Errors
    /// As soon as the bytes cannot become one.
    fn take(bytes: &mut BytesMut) -> Result<Option<Self>, HelloError>;
}

impl Greeting for Hello {
    fn take(bytes: &mut BytesMut) -> Result<Option<Self>, HelloError> {
        let Some([p0, p1, token @ ..]) = take::<HELLO, 18>(bytes)? else { return Ok(None) };
        Ok(Some(Self { protocol: u16::from_be_bytes([p0, p1]), token: Token(token) }))
    }
}

impl Greeting for Answer {
    fn take(bytes: &mut BytesMut) -> Result<Option<Self>, HelloError> {
        let Some([p0, p1, known]) = take::<ANSWER, 3>(bytes)? else { return Ok(None) };
        if known > 1 {
            return Err(HelloError);
        }
        Ok(Some(Self { protocol: u16::from_be_bytes([p0, p1]), known: known == 1 }))
    }
}

/// The `REST` bytes that follow the magic, of a greeting of `ALL` bytes.
fn take<const ALL: usize, const REST: usize>(bytes: &mut BytesMut) -> Result<Option<[u8; REST]>, HelloError> {
    const { assert!(ALL == MAGIC.len() + REST) }
    if bytes.iter().zip(&MAGIC).any(|(got, want)| got != want) {
        return Err(HelloError);
    }
    if bytes.len() < ALL {
        return Ok(None);
    }
    let greeting = bytes.split_to(ALL);
    Ok(greeting.last_chunk::<REST>().copied())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn greetings_survive_the_wire_and_leave_what_follows() {
        let hello = Hello { protocol: 258, token: Token(*b"0123456789abcdef") };
        let mut bytes = BytesMut::from(&[&hello.encode()[..], b"rest"].concat()[..]);
        assert_eq!(&bytes[..6], b"DVBR\x01\x02");
        assert_eq!(Hello::take(&mut bytes), Ok(Some(hello)));
        assert_eq!(&bytes[..], b"rest");

        let answer = Answer { protocol: 7, known: true };
        assert_eq!(Answer::take(&mut BytesMut::from(&answer.encode()[..])), Ok(Some(answer)));
    }

    #[test]
    fn a_part_of_a_greeting_is_waited_for() {
        let whole = Hello::new(Token([3; 16])).encode();
        for length in 0..whole.len() {
            assert_eq!(Hello::take(&mut BytesMut::from(&whole[..length])), Ok(None));
        }
    }

    #[test]
    fn the_first_wrong_byte_is_enough() {
        assert_eq!(Hello::take(&mut BytesMut::from(&b"G"[..])), Err(HelloError));
        assert_eq!(Answer::take(&mut BytesMut::from(&b"DVBR\0\x01\x02"[..])), Err(HelloError));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Hello::take(&mut BytesMut::from(&bytes[..]));
            let _ = Answer::take(&mut BytesMut::from(&bytes[..]));
            let bytes = [&MAGIC[..], &bytes].concat();
            let _ = Hello::take(&mut BytesMut::from(&bytes[..]));
            let _ = Answer::take(&mut BytesMut::from(&bytes[..]));
        }
    }
}
