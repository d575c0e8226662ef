//! Live code, the laptop's half: what changes in a folder, milliseconds after it does.
//!
//! One engine for all that follows files: [`rules`] say which count, so that nobody has to find out which ignore file the
//! other tool meant, and a folder that does not count costs nothing. The kernel's events say where to look, [`tree`] what
//! changed: an event may be lost, doubled or about nothing, contents may not.

pub mod circle;
mod engine;
mod folders;
mod hints;
mod lock;
pub mod on_change;
mod outbox;
pub mod rules;
mod settle;
#[cfg(test)]
mod tests;
pub mod tree;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use engine::Engine;
pub use folders::Why;
use hints::{Hint, Sender, hints};
use outbox::Outbox;
pub use outbox::{Batch, Notice};
use tree::Entry;

/// A folder that is followed, until this is dropped.
#[derive(Debug)]
pub struct Watch {
    sender: Sender,
    outbox: Outbox,
}

impl Watch {
    /// Follows `folder`, or only the paths in it that `only` names. What is there when it begins is no change; the first batch
    /// brings [`Notice::Follows`].
    ///
    /// # Errors
    /// The folder is not there, or no thread can be had.
    pub fn start(folder: &Path, only: Vec<PathBuf>) -> io::Result<Self> {
        let root = folder.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let (sender, hints) = hints();
        let outbox = Outbox::default();
        let (own, out) = (sender.clone(), outbox.clone());
        // Not joined: it ends by itself, as soon as it has finished what it is reading.
        std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || Engine::new(&root, only, own, hints, out).run())?;
        Ok(Self { sender, outbox })
    }

    /// Waits for changes and takes all that were not taken yet. Cancel safe.
    pub async fn next(&self) -> Batch {
        self.outbox.take().await
    }

    /// Takes what changed until now; waits until all of it has been looked at. Cancel safe.
    pub async fn now(&self) -> Batch {
        let (flushed_tx, flushed) = tokio::sync::oneshot::channel();
        self.sender.put(Hint::Flush(flushed_tx));
        // Forgotten only when everything is compared anyway: that is a batch of its own.
        let _ = flushed.await;
        self.outbox.take_now().unwrap_or_default()
    }
}

impl Watch {
    /// Has everything compared with what is known; what differs is a change. For whoever has found that it does.
    pub fn again(&self) {
        self.sender.put(Hint::Again);
    }

    /// All that is followed, as it is known now; it is no change any more. Cancel safe.
    pub async fn everything(&self) -> BTreeMap<PathBuf, Entry> {
        loop {
            let (told_tx, told) = tokio::sync::oneshot::channel();
            self.sender.put(Hint::Everything(told_tx));
            // Forgotten when events were lost: asked again, after everything was compared.
            if let Ok(entries) = told.await {
                return entries;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.sender.end();
    }
}
