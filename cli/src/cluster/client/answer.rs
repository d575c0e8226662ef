//! The body of an answer, which ends when its connection is left.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use kube::client::Body;
use tokio::time::{self, Duration, Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The connections were left before there was an answer, or the whole of it.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the API server went silent, and was left for a new one")]
struct Left;

pub(super) fn left() -> kube::Error {
    kube::Error::Service(Box::new(Left))
}

/// Nothing came for too long.
pub(super) fn late() -> kube::Error {
    kube::Error::Service(Box::new(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
}

pub(super) fn was_left(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(error) if error.is::<Left>())
}

/// A body that may end early.
pub(super) struct Answer {
    body: Body,
    left: Pin<Box<WaitForCancellationFutureOwned>>,
    pause: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Answer {
    /// Ends with an error when `left` is cancelled, or when nothing comes for `longest`.
    pub(super) fn new(body: Body, left: CancellationToken, longest: Option<Duration>) -> Self {
        let left = Box::pin(left.cancelled_owned());
        Self { body, left, pause: longest.map(|longest| (longest, Box::pin(time::sleep(longest)))) }
    }

    fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<kube::Error> {
        if self.left.as_mut().poll(cx).is_ready() {
            return Poll::Ready(left());
        }
        match &mut self.pause {
            Some((_, pause)) => pause.as_mut().poll(cx).map(|()| late()),
            None => Poll::Pending,
        }
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
            if let Some((longest, pause)) = &mut self.pause {
                pause.as_mut().reset(Instant::now() + *longest);
            }
            return Poll::Ready(frame);
        }
        self.poll_early(cx).map(|error| Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
