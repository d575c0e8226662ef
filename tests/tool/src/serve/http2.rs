//! HTTP/2 with prior knowledge, as gRPC has it inside a cluster.

use std::convert::Infallible;
use std::io;
use std::pin::pin;

use futures::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{Stage, answer, closed};
use crate::grpc::Messages;
use crate::http::MAX_BODY;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Answers until the client or the service ends; then what has begun is finished.
pub(super) async fn answer_all(
    stream: TcpStream,
    by: &str,
    stopping: watch::Receiver<Stage>,
) -> io::Result<()> {
    let service = service_fn(|request| {
        let by = by.to_owned();
        async move { Ok::<_, Infallible>(answer(request, &by).await) }
    });
    let connection =
        http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // The connection first: a client's greeting that has arrived is heard before the end is noticed.
        biased;
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        () = closed(stopping) => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(io::Error::other)
}

async fn answer(request: Request<Incoming>, by: &str) -> Response<Body> {
    let kind =
        request.headers().get(CONTENT_TYPE).filter(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    match kind.cloned() {
        Some(kind) if request.method() == Method::POST => grpc(request, kind).await,
        _ => echo(request, by).await,
    }
}

/// Each message comes back as soon as it is whole; a call to `/fail/…` fails when the caller has said all.
async fn grpc(request: Request<Incoming>, kind: HeaderValue) -> Response<Body> {
    let failing = request.uri().path().starts_with("/fail/");
    let mut messages = Messages::new(request.into_body());
    let mut response = if failing {
        while matches!(messages.next().await, Ok(Some(_))) {}
        let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        response.headers_mut().insert("grpc-status", HeaderValue::from_static("14"));
        response.headers_mut().insert("grpc-message", HeaderValue::from_static("told to fail"));
        response
    } else {
        Response::new(StreamBody::new(stream::unfold(Some(messages), come_back)).boxed_unsync())
    };
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn come_back(messages: Option<Messages>) -> Option<(io::Result<Frame<Bytes>>, Option<Messages>)> {
    let mut messages = messages?;
    Some(match messages.next().await {
        Ok(Some(message)) => (Ok(Frame::data(message)), Some(messages)),
        Ok(None) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            (Ok(Frame::trailers(trailers)), None)
        }
        // Resets the stream.
        Err(error) => (Err(error), None),
    })
}

/// As HTTP/1.1 is answered when the path says nothing else.
async fn echo(request: Request<Incoming>, by: &str) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let (status, told) = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => (StatusCode::OK, answer::echo(head.method.as_str(), path, &body.to_bytes(), by)),
        Err(error) => (StatusCode::BAD_REQUEST, json!({ "by": by, "error": error.to_string() })),
    };
    let body = Full::from(told.to_string()).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
