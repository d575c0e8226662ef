//! Decoders of bytes from the other end, each as one function that takes any bytes: for `fuzz/` and for the tests that
//! replay its corpus. A function panics when something that must hold does not.

use bytes::{Bytes, BytesMut};

use crate::{
    frame::{Decoder, MAX_DATAGRAM},
    hello::{Answer, Greeting, Hello},
    message::{self, DecodeError, Env, MAX_MESSAGE, Open, Reply, ToAgent, ToLaptop},
    sync::{FromPod, FromProcess, ToProcess, pack},
};

/// A carrier's bytes: datagrams are the same however the stream is cut, and none is longer than allowed.
///
/// # Panics
/// When that does not hold.
pub fn frames(bytes: &[u8]) {
    let (&step, stream) = bytes.split_first().unwrap_or((&0, &[]));
    let whole = datagrams(stream, usize::MAX);
    assert_eq!(datagrams(stream, usize::from(step) + 1), whole, "in pieces of {step} + 1");
    let length: usize = whole.0.iter().map(Bytes::len).sum();
    assert!(
        length <= stream.len() && whole.0.iter().all(|one| (1..=MAX_DATAGRAM.into()).contains(&one.len()))
    );
}

/// All datagrams up to the first error, and whether there was one.
fn datagrams(stream: &[u8], step: usize) -> (Vec<Bytes>, bool) {
    let (mut decoder, mut found) = (Decoder::default(), Vec::new());
    for piece in stream.chunks(step.max(1)) {
        decoder.feed(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next() {
                Ok(Some(datagram)) => found.push(datagram),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

/// The first bytes of a carrier, from either end: what follows them is left.
///
/// # Panics
/// When that does not hold.
pub fn greetings(bytes: &[u8]) {
    greeting::<Hello>(bytes);
    greeting::<Answer>(bytes);
}

fn greeting<T: Greeting>(bytes: &[u8]) {
    let mut left = BytesMut::from(bytes);
    match T::take(&mut left) {
        Ok(Some(_)) => assert!(bytes.ends_with(&left)),
        Ok(None) => assert_eq!(bytes, &left[..], "nothing is taken of a part"),
        Err(_) => {}
    }
}

/// The bytes of a message after its length: what can be read can be written, and is read again as the same.
///
/// # Panics
/// When that does not hold.
pub fn messages(bytes: &[u8]) {
    message::<Open>(bytes);
    message::<Reply>(bytes);
    message::<ToAgent>(bytes);
    message::<ToLaptop>(bytes);
    message::<Env>(bytes);
    message::<FromPod>(bytes);
    message::<ToProcess>(bytes);
    message::<FromProcess>(bytes);
    pack::fuzz(bytes);
}

fn message<T>(bytes: &[u8])
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let Ok(read) = message::decode::<T>(bytes) else { return };
    match message::encode(&read, MAX_MESSAGE) {
        Ok(written) => {
            let again = message::decode::<T>(written.get(4..).unwrap_or_default());
            assert_eq!(again.ok().as_ref(), Some(&read));
        }
        Err(error) => assert!(matches!(error, DecodeError::TooLong(..)), "{error}"),
    }
}
