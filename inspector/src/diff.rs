//! What differs between two exchanges: a replay and what it replays, the laptop's answer and the originals'.
//!
//! Headers are compared without order and without the case of their names. Those that differ every time (`Date`, `Traceparent`,
//! ...) are shown and do not count. Bodies are compared as people read them, line by line; what is no text by its bytes.

mod bodies;
mod headers;
mod lines;
#[cfg(test)]
mod tests;

pub use self::bodies::{Bodies, Change, Changed};
pub use self::headers::{Differing, VOLATILE};

use crate::exchange::{Exchange, Message};

/// What of two exchanges is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Method, target, headers and body of what was asked.
    Request,
    /// Status, headers and body of what was answered.
    Answer,
    /// Both.
    Both,
}

/// What differs, of each part that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// None: it was not compared.
    pub request: Option<Compared>,
    /// None: it was not compared.
    pub answer: Option<Compared>,
}

/// What differs in one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The first line of both: `GET /orders`, `200 OK`. Printable.
    pub first: (String, String),
    /// Headers, then trailers, that are not the same; by their names.
    pub headers: Vec<Differing>,
    /// The bodies.
    pub body: Bodies,
}

/// Compares two exchanges. Takes half a second at most for each body.
pub fn diff(a: &Exchange, b: &Exchange, what: Part) -> Diff {
    let request = || compare((request_line(a), request_line(b)), &a.request, &b.request);
    let nothing = Message::default();
    let answers = (a.answer.as_ref().unwrap_or(&nothing), b.answer.as_ref().unwrap_or(&nothing));
    let answer = || compare((status_line(a), status_line(b)), answers.0, answers.1);
    Diff { request: (what != Part::Answer).then(request), answer: (what != Part::Request).then(answer) }
}

fn compare(first: (String, String), a: &Message, b: &Message) -> Compared {
    let mut headers = headers::compare(&a.headers, &b.headers);
    headers.extend(headers::compare(&a.trailers, &b.trailers));
    Compared { first, headers, body: bodies::compare(a, b) }
}

fn request_line(exchange: &Exchange) -> String {
    let line = format!("{} {}", exchange.method, exchange.target);
    crate::decode::printable(&line).into_owned()
}

fn status_line(exchange: &Exchange) -> String {
    crate::text::answer_line(exchange).text()
}

impl Compared {
    /// Whether nothing differs that counts.
    pub fn is_same(&self) -> bool {
        self.first.0 == self.first.1 && self.counted().count() == 0 && self.body.is_same()
    }

    fn counted(&self) -> impl Iterator<Item = &Differing> {
        self.headers.iter().filter(|header| !header.volatile)
    }
}

impl Diff {
    fn parts(&self) -> impl Iterator<Item = &Compared> {
        self.request.iter().chain(&self.answer)
    }

    /// Whether nothing differs that counts.
    pub fn is_same(&self) -> bool {
        self.parts().all(Compared::is_same)
    }

    /// `same`, or `status, 3 headers and 12 lines differ`.
    pub fn summary(&self) -> String {
        let count = |number: usize, what: &str| match number {
            0 => None,
            1 => Some(format!("1 {what}")),
            _ => Some(format!("{number} {what}s")),
        };
        let first = |part: &Option<Compared>, what: &str| {
            let differs = part.as_ref().is_some_and(|part| part.first.0 != part.first.1);
            differs.then(|| what.to_owned())
        };
        let headers = self.parts().map(|part| part.counted().count()).sum();
        let lines = self.parts().map(|part| part.body.lines()).sum();
        let unlike = self.parts().filter(|part| !part.body.is_same() && part.body.lines() == 0).count();
        let unlike = match unlike {
            0 => None,
            1 => Some("the body".to_owned()),
            _ => Some("both bodies".to_owned()),
        };
        let all = [
            first(&self.request, "request line"),
            first(&self.answer, "status"),
            count(headers, "header"),
            count(lines, "line"),
            unlike.clone(),
        ];
        let all: Vec<String> = all.into_iter().flatten().collect();
        let Some((last, others)) = all.split_last() else { return "same".into() };
        let what = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
        let one = others.is_empty() && headers <= 1 && lines <= 1 && unlike.as_deref() != Some("both bodies");
        format!("{what} {}", if one { "differs" } else { "differ" })
    }
}
