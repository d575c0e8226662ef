//! What the process writes, when it has a terminal of its own for that: into the journal line by line, and on to stdout as it is
//! unless something else owns that.

use crate::output::Output;
use crate::sandbox::Terminal;
use crate::session::journal::MAX_LINE;

/// Read at once.
const ROOM: usize = 16 << 10;

/// Reads until nothing that could write is left. For what writes after this was dropped there is no terminal any more.
pub async fn run(terminal: Terminal, output: Output) {
    let mut bytes = vec![0; ROOM];
    let mut lines = Lines::default();
    while let Ok(read @ 1..) = terminal.read(&mut bytes).await {
        let read = bytes.get(..read).unwrap_or_default();
        output.copy(read);
        lines.more(read, |line| output.journal().said(line));
    }
    lines.end(|line| output.journal().said(line));
}

/// Cuts what comes into lines. `\n` and `\r\n` end one; a lone `\r` begins it anew, as progress bars do.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    /// What comes next begins the line anew, unless it ends it.
    returned: bool,
}

impl Lines {
    /// Takes bytes in and gives the lines that they end, each at most [`MAX_LINE`] bytes of what came: more is left out.
    fn more(&mut self, bytes: &[u8], mut told: impl FnMut(&str)) {
        for byte in bytes {
            match byte {
                b'\n' => self.line(&mut told),
                b'\r' => self.returned = true,
                byte => {
                    if std::mem::take(&mut self.returned) {
                        self.line.clear();
                    }
                    if self.line.len() < MAX_LINE {
                        self.line.push(*byte);
                    }
                }
            }
        }
    }

    fn line(&mut self, mut told: impl FnMut(&str)) {
        told(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        self.returned = false;
    }

    /// Nothing more comes: what there is of a line is one.
    fn end(&mut self, told: impl FnMut(&str)) {
        if !self.line.is_empty() {
            self.line(told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| lines.more(piece, |line| told.push(line.to_owned())));
        lines.end(|line| told.push(line.to_owned()));
        told
    }

    #[test]
    fn lines_end_as_programs_end_them() {
        assert_eq!(cut(&[b"one\ntwo\r\n\nthree\r\r\nfour"]), ["one", "two", "", "three", "four"]);
        assert_eq!(cut(&[b"on", b"e\r", b"\ntwo\n"]), ["one", "two"]);
        assert_eq!(cut(&[b"\xff\x1b[32mgreen\x1b[0m\n"]), ["\u{fffd}\u{1b}[32mgreen\u{1b}[0m"]);
    }

    #[test]
    fn a_bar_that_is_drawn_over_and_over_is_its_last_state() {
        assert_eq!(cut(&[b" 10 %\r 50 %\r", b"100 %\ndone\n"]), ["100 %", "done"]);
        assert_eq!(cut(&[b"100 %\r"]), ["100 %"]);
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let told = cut(&[&vec![b'x'; 3 * MAX_LINE], b"\nnext\n"]);
        assert_eq!((told[0].len(), told[1].as_str()), (MAX_LINE, "next"));
    }
}
