//! Every task has an owner and an end.
//!
//! The only place of the product that calls `tokio::spawn`. Whoever starts work in the background keeps a
//! [`Tasks`], and ends with it.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time};
use tokio_util::{
    sync::{CancellationToken, WaitForCancellationFutureOwned},
    task::TaskTracker,
};
use tracing::warn;

/// Tasks of one owner. Clones are the same owner; when the last one is dropped the tasks are asked to stop.
///
/// A task must not keep a clone of the `Tasks` it runs in, or nobody would ever be the last; it takes
/// [`Tasks::stopping`] instead.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Inner>);

#[derive(Default)]
struct Inner {
    tracker: TaskTracker,
    /// Asks politely.
    stopping: CancellationToken,
    /// Does not ask.
    killed: CancellationToken,
}

impl Tasks {
    /// Runs `task` in the background until it ends, or until the grace period of [`Tasks::stop`] is over. It
    /// should look at [`Tasks::stopping`].
    pub fn spawn<F>(&self, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let killed = self.0.killed.clone();
        spawn(self.0.tracker.track_future(async move {
            killed.run_until_cancelled(task).await;
        }))
    }

    /// Runs `task` in the background until it ends, or is dropped where it waits because the owner stops.
    pub fn spawn_until_stopped<F>(&self, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stopping = self.0.stopping.clone();
        self.spawn(async move {
            stopping.run_until_cancelled(task).await;
        })
    }

    /// Resolves when the owner wants its tasks to stop.
    pub fn stopping(&self) -> WaitForCancellationFutureOwned {
        self.0.stopping.clone().cancelled_owned()
    }

    /// How many have not ended yet.
    #[must_use]
    pub fn running(&self) -> usize {
        self.0.tracker.len()
    }

    /// Waits until every task has ended; no more may be started.
    pub async fn finished(&self) {
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }

    /// Asks every task to stop and waits. What still runs after `grace` is dropped at its next await.
    pub async fn stop(&self, grace: Duration) {
        self.0.stopping.cancel();
        self.0.tracker.close();
        if time::timeout(grace, self.0.tracker.wait()).await.is_err() {
            warn!(left = self.0.tracker.len(), ?grace, "tasks still running, dropping them");
            self.0.killed.cancel();
            self.0.tracker.wait().await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where tasks start")]
fn spawn<F>(task: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(task)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{sync::oneshot, time::Instant};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stop_waits_for_work_in_flight() {
        let tasks = Tasks::default();
        let stopping = tasks.stopping();
        tasks.spawn(async move {
            stopping.await;
            time::sleep(Duration::from_secs(3)).await;
        });
        let started = Instant::now();
        tasks.stop(Duration::from_secs(5)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn stop_drops_a_stuck_task_after_the_grace_period() {
        let tasks = Tasks::default();
        let (alive, dropped) = oneshot::channel::<()>();
        tasks.spawn(async move {
            let _alive = alive;
            pending().await
        });
        let started = Instant::now();
        tasks.stop(Duration::from_secs(5)).await;
        assert_eq!(started.elapsed(), Duration::from_secs(5));
        assert!(dropped.await.is_err());
        assert_eq!(tasks.running(), 0);
    }

    #[tokio::test]
    async fn dropping_the_owner_ends_tasks_that_run_until_stopped() {
        let tasks = Tasks::default();
        let task = tasks.clone().spawn_until_stopped(pending());
        drop(tasks);
        task.await.unwrap();
    }
}
