//! The one setting that matters to a listener: how large a table one side allows the other's header blocks.

use std::collections::VecDeque;

use crate::read::{Unreadable, hpack::DEFAULT_SIZE};

const HEADER_TABLE_SIZE: u16 = 1;
const ENTRY: usize = 6;
/// SETTINGS that wait for their answer; nobody changes their mind that often.
const WAITING_LIMIT: usize = 64;

/// What one side has announced.
#[derive(Debug)]
pub(super) struct Settings {
    /// The other side knows it.
    known: usize,
    /// The other side will know, or knows and has not said so yet; oldest first.
    waiting: VecDeque<usize>,
    /// In the frame that is coming.
    next: Option<usize>,
    entry: [u8; ENTRY],
    have: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let waiting = VecDeque::new();
        Self { known: DEFAULT_SIZE, waiting, next: None, entry: [0; ENTRY], have: 0 }
    }
}

impl Settings {
    /// Contents of a frame of SETTINGS.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(place) = self.entry.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            if self.have == ENTRY {
                self.have = 0;
                let [id1, id2, value @ ..] = self.entry;
                if u16::from_be_bytes([id1, id2]) == HEADER_TABLE_SIZE {
                    self.next = Some(usize::try_from(u32::from_be_bytes(value)).unwrap_or(usize::MAX));
                }
            }
        }
    }

    /// The frame is complete.
    pub(super) fn announced(&mut self) -> Result<(), Unreadable> {
        let before = self.waiting.back().copied().unwrap_or(self.known);
        self.waiting.push_back(self.next.take().unwrap_or(before));
        if self.waiting.len() > WAITING_LIMIT { Err(Unreadable) } else { Ok(()) }
    }

    /// The other side has acknowledged the oldest that was waiting.
    pub(super) fn acked(&mut self) -> Result<(), Unreadable> {
        self.known = self.waiting.pop_front().ok_or(Unreadable)?;
        Ok(())
    }

    /// What the other side's encoder may use at most: it may or may not know yet what waits.
    pub(super) fn table(&self) -> usize {
        self.waiting.iter().copied().fold(self.known, usize::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(value: u32) -> Vec<u8> {
        [&[0, 3, 0, 0, 0, 9, 0, 1][..], &value.to_be_bytes(), &[0, 4, 0, 0, 0, 1]].concat()
    }

    #[test]
    fn a_size_counts_from_when_it_can_be_known_and_until_another_is_known() {
        let mut settings = Settings::default();
        for byte in size(9000) {
            settings.feed(&[byte]);
        }
        assert_eq!(settings.table(), 4096);
        settings.announced().unwrap();
        settings.feed(&size(100));
        settings.announced().unwrap();
        assert_eq!(settings.table(), 9000);
        settings.acked().unwrap();
        assert_eq!(settings.table(), 9000);
        settings.acked().unwrap();
        assert_eq!(settings.table(), 100);
        settings.announced().unwrap();
        settings.acked().unwrap();
        assert_eq!(settings.table(), 100, "nothing was said of it");
        assert_eq!(settings.acked(), Err(Unreadable));
    }

    #[test]
    fn what_is_never_acknowledged_does_not_pile_up() {
        let mut settings = Settings::default();
        let announced = (0..100).take_while(|_| settings.announced().is_ok()).count();
        assert_eq!(announced, WAITING_LIMIT);
    }
}
