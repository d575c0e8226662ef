//! Whether a caller's connection stands between two exchanges, read from the bytes that pass.
//!
//! A passive observer of HTTP/1.x: it gets both directions' bytes as they are relayed, never delays or
//! changes one, and knows at each moment whether a request is outstanding. That is what lets the agent move a
//! kept-alive connection to somebody else without the caller noticing. Whatever does not parse as HTTP/1.x is
//! opaque for good, and so is everything on which this reading and a server's could differ.

mod body;
mod head;

use std::collections::VecDeque;

use body::Body;
use head::{Heads, Parsed};

/// Most requests of one connection that wait for their answers; more, and it is opaque.
const PIPELINE_LIMIT: usize = 64;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No byte has passed, either way.
    Fresh,
    /// Every request is answered completely, and the connection persists.
    Idle,
    /// Every request is answered completely, and the server ends the connection now.
    Last,
    /// A request or an answer is incomplete.
    Inside,
    /// Not HTTP/1.x, or no longer.
    Opaque,
}

/// The observer of one connection. Memory: at most two heads (64 KiB each) while they are incomplete.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    request_head: Heads,
    request_body: Option<Body>,
    answer_head: Heads,
    answer_body: Option<Body>,
    /// Requests whose answer's head has not come yet, oldest first.
    waiting: VecDeque<Asked>,
    answered: bool,
    touched: bool,
    last: bool,
    opaque: bool,
    /// HTTP/2 with prior knowledge.
    multiplexed: bool,
    caller_spoke_last: bool,
}

/// How HTTP/2 begins (RFC 9113 §3.4), as far as it could be the first line of a request.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// What matters of a request for its answer.
#[derive(Debug)]
struct Asked {
    head: bool,
    idempotent: bool,
    close: bool,
}

impl Exchange {
    /// Where the connection stands.
    pub(crate) fn state(&self) -> State {
        if self.opaque {
            return State::Opaque;
        }
        let asking = self.request_body.is_some() || !self.request_head.is_empty();
        if asking || !self.waiting.is_empty() || self.answering() {
            State::Inside
        } else if self.last {
            State::Last
        } else if self.touched {
            State::Idle
        } else {
            State::Fresh
        }
    }

    /// Whether no request is outstanding and another one may come.
    pub(crate) fn between(&self) -> bool {
        matches!(self.state(), State::Fresh | State::Idle)
    }

    /// Whether it is not HTTP/1.x, or no longer.
    pub(crate) fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Whether a request's head is complete and no byte of an answer has passed.
    pub(crate) fn asked(&self) -> bool {
        !self.opaque && !self.waiting.is_empty() && !self.answered
    }

    /// Whether the caller has said all, and nothing more can happen before an answer's next message begins. False for
    /// what is in the middle of its bytes: a request that is still being sent, an answer that has begun, and
    /// protocols of which it can't be known. Of HTTP/2 it is known roughly: whether the caller was the last to speak.
    pub(crate) fn awaits(&self) -> bool {
        if self.opaque {
            return self.multiplexed && self.caller_spoke_last;
        }
        let asking = self.request_body.is_some() || !self.request_head.is_empty();
        !self.waiting.is_empty() && !asking && !self.answering()
    }

    /// Whether an answer byte has passed for the requests that are outstanding.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    /// Whether the outstanding requests may be sent again to somebody else, although somebody might have
    /// acted on them: all are idempotent, and no byte of an answer has passed.
    pub(crate) fn repeatable(&self) -> bool {
        let partial = self.request_head.partial();
        !self.opaque
            && !self.answered
            && self.waiting.iter().all(|asked| asked.idempotent)
            // Nobody acts on half a head.
            && (partial.is_empty() || head::known_method(partial))
    }

    /// Whether the next answer byte begins the answer to the last request there is.
    pub(crate) fn answer_begins(&self) -> bool {
        !self.opaque && self.waiting.len() == 1 && !self.answering()
    }

    /// Declares the connection's current answer its last one.
    pub(crate) fn set_last(&mut self) {
        self.last = true;
    }

    /// Bytes from the caller.
    pub(crate) fn request(&mut self, mut bytes: &[u8]) {
        self.touched |= !bytes.is_empty();
        self.caller_spoke_last |= !bytes.is_empty();
        while !bytes.is_empty() && !self.opaque {
            let used = match &mut self.request_body {
                Some(body) => match body.feed(bytes) {
                    Ok(fed) => {
                        if fed.ended {
                            self.request_body = None;
                        }
                        fed.used
                    }
                    Err(_) => {
                        self.give_up();
                        bytes.len()
                    }
                },
                None => self.request_head(bytes),
            };
            bytes = bytes.get(used..).unwrap_or_default();
        }
    }

    /// Bytes from whoever serves.
    pub(crate) fn answer(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = bytes.get(self.answer_part(bytes)..).unwrap_or_default();
        }
    }

    /// Takes bytes up to the end of one message (interim answers are messages too) and says how many.
    pub(crate) fn answer_part(&mut self, bytes: &[u8]) -> usize {
        self.touched |= !bytes.is_empty();
        self.caller_spoke_last &= bytes.is_empty();
        if !self.opaque && self.waiting.is_empty() && !self.answering() {
            // Nobody asked: a server that speaks first.
            self.give_up();
        }
        if self.opaque || bytes.is_empty() {
            return bytes.len();
        }
        self.answered = true;
        let mut used = 0;
        if self.answer_body.is_none() {
            let (taken, ended) = self.answer_head(bytes);
            if self.opaque || ended {
                return taken;
            }
            used = taken;
        }
        if let Some(body) = &mut self.answer_body {
            match body.feed(bytes.get(used..).unwrap_or_default()) {
                Ok(fed) => {
                    used += fed.used;
                    if fed.ended {
                        self.end_answer();
                    }
                }
                Err(_) => {
                    self.give_up();
                    return bytes.len();
                }
            }
        }
        used
    }

    /// The end of the server's bytes.
    pub(crate) fn answer_end(&mut self) {
        if self.answer_body == Some(Body::UntilClose) {
            self.end_answer();
        }
    }

    fn answering(&self) -> bool {
        self.answer_body.is_some() || !self.answer_head.is_empty()
    }

    fn request_head(&mut self, bytes: &[u8]) -> usize {
        if self.request_head.is_empty() {
            // Empty lines in front of a request are nothing (RFC 9112 §2.2).
            let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if blank > 0 {
                return blank;
            }
        }
        match self.request_head.feed(bytes, head::request) {
            Parsed::Head(request, _) if request.tunnel || self.waiting.len() >= PIPELINE_LIMIT => {
                self.give_up();
                bytes.len()
            }
            Parsed::Head(request, used) => {
                self.request_body = request.body;
                self.waiting.push_back(Asked {
                    head: request.head,
                    idempotent: request.idempotent,
                    close: request.close,
                });
                used
            }
            Parsed::Partial => bytes.len(),
            Parsed::Other => {
                let partial = self.request_head.partial();
                let head = if partial.is_empty() { bytes } else { partial };
                let multiplexed = head.starts_with(HTTP2_PREFACE);
                self.give_up();
                self.multiplexed = multiplexed;
                bytes.len()
            }
        }
    }

    /// Bytes taken, and whether the message ends with its head.
    fn answer_head(&mut self, bytes: &[u8]) -> (usize, bool) {
        let (answer, used) = match self.answer_head.feed(bytes, head::answer) {
            Parsed::Head(answer, used) => (answer, used),
            Parsed::Partial => return (bytes.len(), false),
            Parsed::Other => {
                self.give_up();
                return (bytes.len(), false);
            }
        };
        if answer.status == 101 {
            self.give_up();
            return (bytes.len(), false);
        }
        if (100..200).contains(&answer.status) {
            return (used, true);
        }
        let Some(asked) = self.waiting.pop_front() else {
            self.give_up();
            return (bytes.len(), false);
        };
        self.last |= answer.close || asked.close;
        if !asked.head && !matches!(answer.status, 204 | 304) {
            self.answer_body = answer.body;
        }
        match self.answer_body {
            Some(Body::UntilClose) => self.last = true,
            Some(_) => {}
            None => {
                self.end_answer();
                return (used, true);
            }
        }
        (used, false)
    }

    fn end_answer(&mut self) {
        self.answer_body = None;
        if self.waiting.is_empty() {
            self.answered = false;
        }
    }

    fn give_up(&mut self) {
        let caller_spoke_last = self.caller_spoke_last;
        *self = Self { opaque: true, touched: true, caller_spoke_last, ..Self::default() };
    }
}

#[cfg(test)]
mod tests;
