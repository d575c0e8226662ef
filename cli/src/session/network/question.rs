//! Questions and answers of DNS in words.
//!
//! Both come from elsewhere and may be anything: what can't be read is counted all the same, and what is kept of the rest is
//! bounded.

use std::net::IpAddr;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use inspector::decode::printable;

/// Bytes of a name; a name of DNS has no more unless it is written with escapes.
const NAME: usize = 255;
/// Bytes of an answer.
const ANSWER: usize = 160;
/// Values of an answer that are shown.
const VALUES: usize = 4;
/// Addresses of an answer that are remembered.
const ADDRESSES: usize = 16;

/// What was asked, and what came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Without the dot at its end; nothing if the question can't be read.
    pub(super) name: String,
    /// `?` if the question can't be read.
    pub(super) kind: String,
    pub(super) answer: String,
    /// It brought nothing.
    pub(super) failed: bool,
    pub(super) addresses: Vec<IpAddr>,
}

/// Reads both.
pub(super) fn read(question: &[u8], answer: Option<&[u8]>) -> Answered {
    let query = Message::from_vec(question).ok().and_then(|message| message.queries.into_iter().next());
    let (name, kind) = match &query {
        Some(query) => (name(query), query.query_type.to_string()),
        None => (String::new(), "?".to_owned()),
    };
    let failed = |why: &str| (why.to_owned(), true, Vec::new());
    let (answer, failed, addresses) = match (answer.map(Message::from_vec), &query) {
        (None, _) => failed("no answer"),
        (Some(Err(_)), _) => failed("an answer that can't be read"),
        (Some(Ok(message)), query) => match message.metadata.response_code {
            ResponseCode::NoError => values(&message, query.as_ref()),
            ResponseCode::NXDomain => failed("NXDOMAIN"),
            ResponseCode::ServFail => failed("SERVFAIL"),
            ResponseCode::Refused => failed("REFUSED"),
            other => failed(other.to_str()),
        },
    };
    Answered { name, kind, answer, failed, addresses }
}

fn name(query: &Query) -> String {
    let name = query.name.to_string();
    let name = if name == "." { &name } else { name.trim_end_matches('.') };
    cut(&printable(name), NAME)
}

/// What the answer holds of the kind that was asked for; aliases on the way there are left out.
fn values(message: &Message, query: Option<&Query>) -> (String, bool, Vec<IpAddr>) {
    let kind = query.map_or(RecordType::ANY, |query| query.query_type);
    let meant = |record: &&Record| kind == RecordType::ANY || record.record_type() == kind;
    let found: Vec<_> = message.answers.iter().filter(meant).collect();
    if found.is_empty() {
        let why = if message.metadata.truncation { "cut short" } else { "no records" };
        return (why.to_owned(), true, Vec::new());
    }
    let shown: Vec<_> = found.iter().take(VALUES).map(|record| record.data.to_string()).collect();
    let mut text = shown.join(", ");
    if found.len() > VALUES {
        text = format!("{}, {} more", text, found.len() - VALUES);
    }
    let address = |record: &&Record| match &record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    (cut(&printable(&text), ANSWER), false, found.iter().filter_map(address).take(ADDRESSES).collect())
}

fn cut(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default().to_owned()
}
