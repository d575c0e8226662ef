//! One stream: what comes before and after its beginning.

use std::path::PathBuf;

use tokio::sync::mpsc;
use tracing::{info, warn};
use tunnel::sync::{FromPod, ToPod};

use super::{fault::Ended, writer::Writer};

/// Where answers go.
pub(super) trait Answers {
    /// Sends one; waits while too many are on their way.
    fn answer(&mut self, answer: FromPod) -> Result<(), Ended>;
    /// Nobody waits for answers any more. Asked during what may take long.
    fn gone(&self) -> bool;
}

impl Answers for mpsc::Sender<FromPod> {
    fn answer(&mut self, answer: FromPod) -> Result<(), Ended> {
        self.blocking_send(answer).map_err(|_| Ended::Gone)
    }

    fn gone(&self) -> bool {
        self.is_closed()
    }
}

/// Does what the laptop says on one stream. What was not committed goes with it.
pub(super) struct Session<A> {
    writer: Option<Writer>,
    run: PathBuf,
    answers: A,
}

impl<A: Answers> Session<A> {
    /// `run` is the pod's directory, where commits are told.
    pub(super) fn new(run: PathBuf, answers: A) -> Self {
        Self { writer: None, run, answers }
    }

    /// Does what is in one pack.
    pub(super) fn pack(&mut self, all: Vec<ToPod>) -> Result<(), Ended> {
        if let Some(writer) = &mut self.writer {
            writer.wakes();
        }
        for one in all {
            if self.answers.gone() {
                return Err(Ended::Gone);
            }
            match (&mut self.writer, one) {
                (Some(writer), one) => writer.take(one, &mut self.answers)?,
                (None, ToPod::Begin { to }) => self.begin(&to)?,
                (None, _) => return Err(Ended::Violation("something before the beginning")),
            }
        }
        Ok(())
    }

    fn begin(&mut self, to: &[u8]) -> Result<(), Ended> {
        let folder = String::from_utf8_lossy(to);
        match Writer::begin(to, self.run.clone(), || !self.answers.gone()) {
            Ok((writer, begun)) => {
                info!(%folder, "files of the laptop are written");
                self.writer = Some(writer);
                self.answers.answer(FromPod::Begun(Ok(begun)))
            }
            Err(trouble) => {
                warn!(%folder, doing = trouble.doing, errno = trouble.errno, "the folder can't be written");
                self.answers.answer(FromPod::Begun(Err(trouble)))?;
                Err(Ended::Unwritable)
            }
        }
    }

    #[cfg(test)]
    pub(super) fn answers(&mut self) -> &mut A {
        &mut self.answers
    }
}
