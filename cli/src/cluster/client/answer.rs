//! The body of an answer, which ends when its connection is left.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http_body::{Frame, SizeHint};
use kube::client::Body;
use tokio::time::{self, Duration};
use tokio_util::sync::CancellationToken;

/// The connections were left before there was an answer, or the whole of it.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the API server went silent, and was left for a new one")]
struct Left;

pub(super) fn left() -> kube::Error {
    kube::Error::Service(Box::new(Left))
}

pub(super) fn was_left(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(error) if error.is::<Left>())
}

/// A body that may end early.
pub(super) struct Answer {
    body: Body,
    early: BoxFuture<'static, kube::Error>,
}

impl Answer {
    /// Ends with an error when `left` is cancelled, or after `longest`.
    pub(super) fn new(body: Body, left: CancellationToken, longest: Option<Duration>) -> Self {
        let early = async move {
            let late = async {
                match longest {
                    Some(longest) => time::sleep(longest).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = left.cancelled() => self::left(),
                () = late => kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::TimedOut))),
            }
        };
        Self { body, early: early.boxed() }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = kube::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, kube::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        self.early.poll_unpin(cx).map(|error| Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
