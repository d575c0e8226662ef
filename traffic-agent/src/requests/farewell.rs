//! Telling callers to connect elsewhere, when the agent is about to end.
//!
//! A kept-alive connection that just ends can take a request with it that was on its way. HTTP/1.1 has a word for
//! it: the last answer says `Connection: close`, and the caller's next request uses a new connection. Only in
//! this phase, and only here, is a byte of an answer changed.

/// Longest head that is changed; a longer one passes as it is.
const HEAD_LIMIT: usize = 64 << 10;
const HEADERS_LIMIT: usize = 128;

/// Collects the head of the answer that shall be the last.
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    /// The head so far; `None` while answers pass as they are.
    head: Option<Vec<u8>>,
}

/// What to send to the caller instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) bytes: Vec<u8>,
    /// The caller has been told.
    pub(crate) told: bool,
}

impl Farewell {
    /// The next bytes are the beginning of an answer.
    pub(crate) fn begin(&mut self) {
        self.head.get_or_insert_default();
    }

    pub(crate) fn collecting(&self) -> bool {
        self.head.is_some()
    }

    /// Takes bytes of the answer; gives all back once its head is complete, or is seen not to be one.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<Said> {
        let head = self.head.get_or_insert_default();
        head.extend_from_slice(bytes);
        let said = match last(head) {
            Last::Changed(bytes) => Said { bytes, told: true },
            Last::Partial if head.len() <= HEAD_LIMIT => return None,
            Last::Partial | Last::Unchanged => Said { bytes: std::mem::take(head), told: false },
        };
        self.head = None;
        Some(said)
    }

    /// What was collected of a head that will not be completed.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.head.take().unwrap_or_default()
    }
}

enum Last {
    Changed(Vec<u8>),
    Unchanged,
    Partial,
}

/// The answer with `Connection: close` in its head, if it is a final HTTP/1.1 answer that says nothing else
/// about the connection than that it stays.
fn last(bytes: &[u8]) -> Last {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_LIMIT];
    let mut parsed = httparse::Response::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Last::Partial,
        Err(_) => return Last::Unchanged,
    };
    let says_otherwise = parsed.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("connection") && !header.value.eq_ignore_ascii_case(b"keep-alive")
    });
    let interim = parsed.code.is_none_or(|code| code < 200);
    let (head, body) = bytes.split_at(length.min(bytes.len()));
    if interim || parsed.version != Some(1) || says_otherwise {
        return Last::Unchanged;
    }
    let mut changed = Vec::with_capacity(bytes.len() + 32);
    let mut lines = head.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if lines.peek().is_none() {
            changed.extend_from_slice(b"Connection: close\r\n");
        } else if name.eq_ignore_ascii_case(b"connection") || name.eq_ignore_ascii_case(b"keep-alive") {
            continue;
        }
        changed.extend_from_slice(line);
    }
    changed.extend_from_slice(body);
    Last::Changed(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answer: &str) -> (String, bool) {
        let mut farewell = Farewell::default();
        farewell.begin();
        let said = farewell.push(answer.as_bytes()).unwrap();
        (String::from_utf8(said.bytes).unwrap(), said.told)
    }

    #[test]
    fn the_last_answer_says_so() {
        let (answer, told) = said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
        assert!(told);
    }

    #[test]
    fn keep_alive_is_replaced() {
        let (answer, told) =
            said("HTTP/1.1 200 OK\r\nconnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nA: b\r\n\r\n");
        assert_eq!(answer, "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n");
        assert!(told);
    }

    #[test]
    fn other_answers_pass_unchanged() {
        for answer in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nConnection: upgrade, foo\r\n\r\n",
            "+PONG\r\n",
        ] {
            assert_eq!(said(answer), (answer.to_owned(), false));
        }
    }

    #[test]
    fn a_head_in_pieces_is_held_until_it_is_complete() {
        let mut farewell = Farewell::default();
        farewell.begin();
        assert_eq!(farewell.push(b"HTTP/1.1 204 No Con"), None);
        assert!(farewell.collecting());
        let said = farewell.push(b"tent\r\n\r\n").unwrap();
        assert_eq!(said.bytes, b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        assert!(!farewell.collecting());
    }
}
