//! One line on standard error, which is the container's log.

use core::ffi::CStr;
use core::fmt::{self, Write as _};

use crate::kernel;

/// Writes `bootstrap: MESSAGE` as one line; what is longer than 1 KiB is cut.
pub fn report(message: fmt::Arguments<'_>) {
    let mut line = Line::<1024>::new();
    // Cutting is the only failure, and half a message is better than none.
    let _ = write!(line, "bootstrap: {message}");
    line.end();
    // Nobody can be told that standard error is gone.
    let _ = rustix::io::write(kernel::stderr(), line.as_bytes());
}

/// Text in a buffer of `N` bytes, there being no allocator.
pub(crate) struct Line<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Line<N> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// The text up to a zero that was written into it; empty without one.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(self.as_bytes()).unwrap_or_default()
    }

    /// Ends the line, in the last byte if there is no other.
    fn end(&mut self) {
        self.length = self.length.min(N - 1);
        if let Some(byte) = self.bytes.get_mut(self.length) {
            *byte = b'\n';
            self.length += 1;
        }
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = self.bytes.get_mut(self.length..).unwrap_or_default();
        let fits = text.len().min(free.len());
        if let (Some(to), Some(from)) = (free.get_mut(..fits), text.as_bytes().get(..fits)) {
            to.copy_from_slice(from);
        }
        self.length += fits;
        if fits == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut_and_still_ends() {
        let mut line = Line::<8>::new();
        assert!(write!(line, "abcdefghij").is_err());
        line.end();
        assert_eq!(line.as_bytes(), b"abcdefg\n");
    }
}
