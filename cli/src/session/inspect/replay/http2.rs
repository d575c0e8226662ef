//! HTTP/2, and so gRPC.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use inspector::read::Limits;
use inspector::{Body, Exchange, Header, Message};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time;
use tunnel::tasks::Tasks;

use super::{ANSWER, Outgoing, ReplayError, late, micros};
use crate::error::chain;
use crate::session::inspect::Inspector;

/// Headers of HTTP/1.x's connections, which HTTP/2 forbids (RFC 9113 §8.2.2), and what is made anew.
const LEFT_OUT: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// A request for the library.
pub(super) fn request(outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, ReplayError> {
    let malformed = |error: http::Error| ReplayError::Malformed(error.to_string());
    let host = if outgoing.host.is_empty() { "localhost" } else { outgoing.host.as_str() };
    let uri: Uri = format!("http://{host}{}", outgoing.target)
        .parse()
        .map_err(|error: http::uri::InvalidUri| malformed(error.into()))?;
    let mut request =
        Request::builder().version(http::Version::HTTP_2).method(outgoing.method.as_str()).uri(uri);
    for Header { name, value } in &outgoing.request.headers {
        if !LEFT_OUT.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            let name = HeaderName::try_from(name.as_str()).map_err(|error| malformed(error.into()))?;
            let value = HeaderValue::try_from(value.as_bytes()).map_err(|error| malformed(error.into()))?;
            request = request.header(name, value);
        }
    }
    // gRPC servers insist on it.
    if outgoing.request.header("te").any(|te| te.eq_ignore_ascii_case("trailers")) {
        request = request.header(http::header::TE, "trailers");
    }
    request.body(Full::new(outgoing.request.body.kept.clone())).map_err(malformed)
}

/// Sends it and reads the answer.
pub(super) async fn hold<IO>(
    inspector: &Inspector,
    exchange: &mut Exchange,
    io: IO,
    request: Request<Full<Bytes>>,
) -> Result<(), ReplayError>
where
    IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let unanswered = |error: hyper::Error| ReplayError::Unanswered(chain(&error));
    // Ends with this call.
    let driving = Tasks::default();
    inspector.put(exchange.clone());
    let sent = Instant::now();
    let answer = async {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await?;
        driving.spawn_until_stopped(async move { drop(connection.await) });
        sender.send_request(request).await
    };
    let answer = time::timeout(ANSWER, answer).await.map_err(|_| late())?.map_err(unanswered)?;
    exchange.timing.answer_us = micros(sent.elapsed());
    exchange.status = Some(answer.status().as_u16());
    let mut message = Message { headers: headers(answer.headers()), ..Message::default() };
    exchange.answer = Some(message.clone());
    inspector.put(exchange.clone());
    let read = time::timeout(ANSWER, read(answer.into_body(), &mut message)).await;
    exchange.timing.total_us = micros(sent.elapsed());
    exchange.answer = Some(message);
    read.map_err(|_| late())?.map_err(unanswered)
}

async fn read(mut body: hyper::body::Incoming, message: &mut Message) -> Result<(), hyper::Error> {
    let limit = Limits::default().body;
    let mut kept = Vec::new();
    let mut size = 0;
    let read = loop {
        match body.frame().await {
            None => break Ok(()),
            Some(Err(error)) => break Err(error),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    size += data.len() as u64;
                    let room = limit.saturating_sub(kept.len()).min(data.len());
                    kept.extend_from_slice(data.get(..room).unwrap_or_default());
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        message.trailers = headers(&trailers);
                    }
                }
            },
        }
    };
    message.body = Body { size, kept: kept.into(), ..Body::default() };
    read
}

fn headers(all: &http::HeaderMap) -> Vec<Header> {
    let header = |(name, value): (&HeaderName, &HeaderValue)| Header {
        name: name.to_string(),
        value: match value.to_str() {
            Ok(text) => text.to_owned(),
            // Latin-1.
            Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
        },
    };
    all.iter().map(header).collect()
}
