//! Who can be asked by a filter: an exchange, and the head of a request that has just come.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::{Direction, End, Exchange, Header, Route, Version};

/// What a filter asks.
///
/// The first methods are about the head of a request; who routes by it has only that, and leaves the others as they are:
/// what is not known matches no term. Values are bytes where HTTP has no more to say about them.
pub trait Subject {
    /// Which way it goes.
    fn direction(&self) -> Direction;

    /// The protocol.
    fn version(&self) -> Version;

    /// Who asks.
    fn caller(&self) -> Option<IpAddr>;

    /// `:authority` or `Host`, with its port if it has one.
    fn host(&self) -> Option<&str>;

    /// As in the request line.
    fn method(&self) -> &str;

    /// Path and query, as in the request line.
    fn target(&self) -> &str;

    /// Names, in any case, and values of the request's headers.
    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])>;

    /// The trace it belongs to, 32 hexadecimal digits. As it is here, what the request's `traceparent` says.
    fn trace(&self) -> Option<&str> {
        let (_, value) = self.headers().find(|(name, _)| name.eq_ignore_ascii_case("traceparent"))?;
        let trace = str::from_utf8(value).ok()?.trim().split('-').nth(1)?;
        (trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(trace)
    }

    /// Its number in the session.
    fn id(&self) -> Option<u64> {
        None
    }

    /// Who answered it, or will.
    fn route(&self) -> Option<&Route> {
        None
    }

    /// The request's body as text, as far as it is there; none: it has none.
    fn body(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// The answer's status.
    fn status(&self) -> Option<u16> {
        None
    }

    /// Names, in any case, and values of the answer's headers and trailers.
    fn answer_headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        std::iter::empty()
    }

    /// The answer's body as text, as far as it is there; none: it has none.
    fn answer_body(&self) -> Option<Cow<'_, [u8]>> {
        None
    }

    /// Bytes of the answer's body; none: no answer.
    fn size(&self) -> Option<u64> {
        None
    }

    /// `grpc-status`.
    fn grpc_status(&self) -> Option<u32> {
        None
    }

    /// From the request's first byte to the answer's last, in microseconds.
    fn latency_us(&self) -> Option<u64> {
        None
    }

    /// Whether the connection ended before the answer did.
    fn is_cut(&self) -> bool {
        false
    }

    /// The exchange that it repeats.
    fn replay_of(&self) -> Option<u64> {
        None
    }
}

impl Subject for Exchange {
    fn direction(&self) -> Direction {
        self.direction
    }

    fn version(&self) -> Version {
        self.version
    }

    fn caller(&self) -> Option<IpAddr> {
        self.from.map(|from| from.ip())
    }

    fn host(&self) -> Option<&str> {
        (!self.host.is_empty()).then_some(&self.host)
    }

    fn method(&self) -> &str {
        &self.method
    }

    fn target(&self) -> &str {
        &self.target
    }

    fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        pairs(&self.request.headers)
    }

    fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    fn id(&self) -> Option<u64> {
        Some(self.id)
    }

    fn route(&self) -> Option<&Route> {
        Some(&self.route)
    }

    fn body(&self) -> Option<Cow<'_, [u8]>> {
        (self.request.body.size > 0).then(|| Cow::Borrowed(&*self.request.body.kept))
    }

    fn status(&self) -> Option<u16> {
        self.status
    }

    fn answer_headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.answer.iter().flat_map(|answer| pairs(&answer.headers).chain(pairs(&answer.trailers)))
    }

    fn answer_body(&self) -> Option<Cow<'_, [u8]>> {
        let body = &self.answer.as_ref()?.body;
        (body.size > 0).then(|| Cow::Borrowed(&*body.kept))
    }

    fn size(&self) -> Option<u64> {
        self.answer.as_ref().map(|answer| answer.body.size)
    }

    fn grpc_status(&self) -> Option<u32> {
        Self::grpc_status(self)
    }

    fn latency_us(&self) -> Option<u64> {
        self.timing.total_us
    }

    fn is_cut(&self) -> bool {
        self.end == Some(End::Cut)
    }

    fn replay_of(&self) -> Option<u64> {
        self.replay_of
    }
}

fn pairs(headers: &[Header]) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().map(|header| (header.name.as_str(), header.value.as_bytes()))
}
