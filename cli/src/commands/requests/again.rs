//! A request that is sent again: as it was, or with what was changed.

use bytes::Bytes;
use inspector::text::numbers;
use inspector::{Body, Exchange};

use super::session::Of;
use crate::error::{Exit, Failure};
use crate::session::inspect::replay::{Outgoing, ReplayError, To};
use crate::session::socket;

/// The request of `before`, as it was.
///
/// # Errors
/// Its body was not kept whole.
pub(in crate::commands) fn again(before: &Exchange, to: To) -> Result<Outgoing, Failure> {
    if before.request.body.is_whole() { Ok(outgoing(before, to)) } else { Err(cut(before)) }
}

/// As far as it was kept.
pub(super) fn outgoing(before: &Exchange, to: To) -> Outgoing {
    let mut outgoing = Outgoing {
        of: before.id,
        to,
        method: before.method.clone(),
        target: before.target.clone(),
        host: before.host.clone(),
        request: before.request.clone(),
    };
    outgoing.request.trailers.clear();
    outgoing
}

/// Sends it, once; the id of what came.
///
/// # Errors
/// Nothing was sent, or no answer came.
pub(in crate::commands) async fn send(of: &Of, outgoing: Outgoing) -> Result<u64, Failure> {
    let sent = socket::replay(&of.socket, outgoing).await.map_err(|error| of.silent(error))?;
    sent.map_err(|error| failure(&error))
}

/// Another body, which is as it is written.
pub(super) fn replace(outgoing: &mut Outgoing, body: Bytes) {
    outgoing.request.headers.retain(|header| !header.name.eq_ignore_ascii_case("content-encoding"));
    outgoing.request.body = Body { size: body.len() as u64, kept: body, ..Body::default() };
}

pub(super) fn cut(exchange: &Exchange) -> Failure {
    let Body { size, kept, .. } = &exchange.request.body;
    Failure::new("DB-REQUESTS-012", Exit::Usage, format!("the body of request {} was not kept", exchange.id))
        .why(format!(
            "{} passed, and the first {} are kept",
            numbers::size(*size),
            numbers::size(kept.len() as u64)
        ))
        .fix(format!("devbridge requests replay {} --data @FILE", exchange.id))
}

fn failure(error: &ReplayError) -> Failure {
    match error {
        ReplayError::None(_) => {
            Failure::new("DB-REQUESTS-003", Exit::Target, error.to_string()).fix("devbridge requests list")
        }
        ReplayError::Nobody(_) => {
            Failure::new("DB-REQUESTS-014", Exit::Failure, "nothing was sent").why(error)
        }
        ReplayError::Malformed(_) => Failure::new("DB-REQUESTS-015", Exit::Usage, error.to_string()),
        ReplayError::Unanswered(_) => Failure::new("DB-REQUESTS-016", Exit::Failure, error.to_string())
            .why("it may have had an effect; it was not sent twice"),
    }
}

#[cfg(test)]
mod tests {
    use inspector::{Header, Message};

    use super::*;

    #[test]
    fn another_body_is_not_encoded_like_the_old_one() {
        let mut changed = Outgoing {
            of: 1,
            to: To::Process,
            method: "POST".into(),
            target: "/".into(),
            host: "web".into(),
            request: Message {
                headers: vec![
                    Header { name: "X-User".into(), value: "a".into() },
                    Header { name: "content-encoding".into(), value: "gzip".into() },
                ],
                ..Message::default()
            },
        };
        replace(&mut changed, Bytes::from_static(b"plain"));
        assert_eq!((changed.request.headers.len(), changed.request.body.size), (1, 5));
    }
}
