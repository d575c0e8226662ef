//! Packs: many [`ToPod`]s in one message, compressed where that pays.
//!
//! A source file is a few kilobytes, and thousands of them may change at once. Packed together they compress as one, and cost
//! one message. What does not get smaller (images, archives) is sent as it is, and not tried again for a while.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ToPod;
use crate::message::{self, DecodeError};

/// Most bytes of a pack before it is compressed. Bounds what the other end allocates for it.
pub const MAX_PACKED: usize = 256 << 10;
/// Longest [`Pack`] on the wire.
pub const MAX_PACK: usize = MAX_PACKED + (4 << 10);
/// A pack is sent when it has so many bytes.
const FULL: usize = 128 << 10;
/// Below it compressing saves less than a packet.
const SMALL: usize = 256;
/// zstd's fastest usual level: on source code 4.3 times smaller at more than 400 MB/s; higher ones gain little.
const LEVEL: i32 = 1;
/// Packs that are sent as they are after one that did not get smaller.
const PAUSE: u8 = 8;

/// Some [`ToPod`]s, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    /// Compressed by zstd (RFC 8878).
    zstd: bool,
    bytes: Bytes,
}

/// Makes packs.
pub struct Packer {
    raw: Vec<u8>,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    pause: u8,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("waiting", &self.raw.len()).finish_non_exhaustive()
    }
}

impl Default for Packer {
    fn default() -> Self {
        // Without memory for it nothing is compressed.
        Self { raw: Vec::new(), compressor: zstd::bulk::Compressor::new(LEVEL).ok(), pause: 0 }
    }
}

impl Packer {
    /// Adds one; gives a pack that is full now.
    ///
    /// # Errors
    /// It is longer than a pack may be; nothing was added.
    pub fn push(&mut self, one: &ToPod) -> Result<Option<Pack>, DecodeError> {
        let before = self.raw.len();
        let raw =
            postcard::to_extend(one, std::mem::take(&mut self.raw)).map_err(|_| DecodeError::Malformed)?;
        self.raw = raw;
        let length = self.raw.len() - before;
        if length > MAX_PACKED - FULL {
            self.raw.truncate(before);
            return Err(DecodeError::TooLong(length, MAX_PACKED - FULL));
        }
        Ok(if self.raw.len() >= FULL { self.take() } else { None })
    }

    /// What was added and is in no pack yet.
    pub fn take(&mut self) -> Option<Pack> {
        if self.raw.is_empty() {
            return None;
        }
        let raw = std::mem::take(&mut self.raw);
        self.pause = self.pause.saturating_sub(1);
        let tried = (raw.len() >= SMALL && self.pause == 0)
            .then(|| self.compressor.as_mut().and_then(|compressor| compressor.compress(&raw).ok()))
            .flatten();
        Some(match tried {
            Some(smaller) if smaller.len() < raw.len() / 10 * 9 => Pack { zstd: true, bytes: smaller.into() },
            tried => {
                if tried.is_some() {
                    self.pause = PAUSE;
                }
                Pack { zstd: false, bytes: raw.into() }
            }
        })
    }
}

impl Pack {
    /// What is in it.
    ///
    /// # Errors
    /// It is longer than allowed, or no such thing.
    pub fn open(&self) -> Result<Vec<ToPod>, DecodeError> {
        let unpacked;
        let mut rest: &[u8] = &self.bytes;
        if self.zstd {
            unpacked = zstd::bulk::decompress(&self.bytes, MAX_PACKED).map_err(|_| DecodeError::Malformed)?;
            rest = &unpacked;
        }
        if rest.len() > MAX_PACKED {
            return Err(DecodeError::TooLong(rest.len(), MAX_PACKED));
        }
        let mut all = Vec::new();
        while !rest.is_empty() {
            let (one, left) = postcard::take_from_bytes(rest).map_err(|_| DecodeError::Malformed)?;
            all.push(one);
            rest = left;
        }
        Ok(all)
    }

    /// Bytes on the wire, about.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The bytes of a [`Pack`] after its length, for [`crate::fuzz`]: what can be opened can be packed, and opens as the same.
///
/// # Panics
/// When that does not hold.
pub(crate) fn fuzz(bytes: &[u8]) {
    let Ok(all) = message::decode::<Pack>(bytes).and_then(|pack| pack.open()) else { return };
    let mut packer = Packer::default();
    let mut again = Vec::new();
    for one in &all {
        match packer.push(one) {
            Ok(full) => again.extend(full),
            Err(error) => return assert!(matches!(error, DecodeError::TooLong(..)), "{error}"),
        }
    }
    again.extend(packer.take());
    let opened: Vec<_> = again.iter().flat_map(|pack| pack.open().unwrap_or_default()).collect();
    assert_eq!(opened, all);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{MAX_DATA, Meta};

    #[test]
    fn what_is_packed_is_opened_as_it_was() {
        let meta = Meta { mode: 0o644, modified: -1, size: 3 };
        let mut all = vec![ToPod::File { path: b"a/b".into(), meta }, ToPod::Data("abc".into())];
        all.extend((0..9).map(|at| ToPod::Data(vec![at; MAX_DATA].into())));
        let mut packer = Packer::default();
        let mut packs: Vec<_> = all.iter().filter_map(|one| packer.push(one).unwrap()).collect();
        packs.extend(packer.take());
        assert!(packer.take().is_none());
        let opened: Vec<_> = packs.iter().flat_map(|pack| pack.open().unwrap()).collect();
        assert_eq!(opened, all);
        assert!(packs.iter().map(Pack::len).sum::<usize>() < MAX_DATA, "it was compressed");
    }

    #[test]
    fn what_does_not_get_smaller_is_sent_as_it_is() {
        let mut packer = Packer::default();
        let random = || {
            let mut bytes = vec![0; MAX_DATA];
            getrandom::fill(&mut bytes).unwrap();
            ToPod::Data(bytes.into())
        };
        let packs: Vec<_> = (0..4).filter_map(|_| packer.push(&random()).unwrap()).collect();
        assert_eq!(packs.len(), 2);
        assert!(packs.iter().all(|pack| !pack.zstd && pack.open().unwrap().len() == 2));
    }

    #[test]
    fn a_pack_that_unfolds_to_more_than_allowed_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
        let pack = Pack { zstd: true, bytes: bomb.into() };
        assert!(pack.open().is_err());
        let pack = Pack { zstd: false, bytes: vec![0xff; 8].into() };
        assert!(pack.open().is_err());
    }

    #[test]
    fn one_that_is_too_long_is_refused_and_nothing_else_is_lost() {
        let mut packer = Packer::default();
        packer.push(&ToPod::Abandon).unwrap();
        assert!(packer.push(&ToPod::Data(vec![0; MAX_PACKED].into())).is_err());
        assert_eq!(packer.take().unwrap().open().unwrap(), [ToPod::Abandon]);
    }
}
