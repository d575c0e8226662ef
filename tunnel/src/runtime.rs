//! How quinn's tasks run: when everything else that is ready has run.
//!
//! A packet takes what all streams have to say at the moment at which it is made. But Tokio runs whoever was woken last
//! before all others: quinn's driver directly after the first stream that was written, and so each write would become a
//! packet of its own, with its own encryption, its own frame of the port-forward, and a wakeup in every process on the
//! way. So the driver lets those go first that are ready, too, and what they say leaves together. Where nobody else is
//! ready, that costs one look at the sockets.

use std::{
    io,
    net::UdpSocket,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task,
};

/// Tokio, with drivers that let others go first.
#[derive(Debug)]
pub(crate) struct Gathering;

impl Runtime for Gathering {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Driver) {
        // A single thread runs tasks in the order in which they were woken, and many speak before the driver's turn.
        if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
            return TokioRuntime.spawn(future);
        }
        TokioRuntime.spawn(Box::pin(OthersFirst { driver: future, waited: false }));
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> Instant {
        TokioRuntime.now()
    }
}

type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

struct OthersFirst {
    driver: Driver,
    /// Others have had their turn since the driver was woken.
    waited: bool,
}

impl Future for OthersFirst {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The runtime keeps the waker until it has nothing else to run; the future need not live until then.
        if !self.waited && pin!(task::yield_now()).poll(cx).is_pending() {
            self.waited = true;
            return Poll::Pending;
        }
        self.waited = false;
        self.driver.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        task::Waker,
    };

    use tokio::{sync::oneshot, task::JoinSet};

    use super::*;

    /// Several threads have the order that matters; with one of them it is always the same.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_many_say_at_the_same_time_is_seen_at_once() {
        let said = Arc::new(AtomicUsize::new(0));
        let driver = Arc::new(Mutex::new(None::<Waker>));
        let (seen_tx, seen_rx) = oneshot::channel();
        let mut seen_tx = Some(seen_tx);
        let (said_by_now, waker) = (said.clone(), driver.clone());
        Gathering.spawn(Box::pin(poll_fn(move |cx| match said_by_now.load(Ordering::Relaxed) {
            0 => {
                *waker.lock().unwrap() = Some(cx.waker().clone());
                Poll::Pending
            }
            said => {
                let _ = seen_tx.take().unwrap().send(said);
                Poll::Ready(())
            }
        })));
        // From within the runtime, where all are queued before one of them runs.
        let mut speaking = JoinSet::new();
        speaking.spawn(async move {
            while driver.lock().unwrap().is_none() {
                task::yield_now().await;
            }
            let mut speakers = JoinSet::new();
            for _ in 0..10 {
                let (said, driver) = (said.clone(), driver.clone());
                speakers.spawn(async move {
                    said.fetch_add(1, Ordering::Relaxed);
                    if let Some(driver) = driver.lock().unwrap().take() {
                        driver.wake();
                    }
                });
            }
            speakers.join_all().await;
        });
        assert_eq!(seen_rx.await.unwrap(), 10);
        speaking.join_all().await;
    }
}
