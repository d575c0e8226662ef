//! One static program that is every service and every client of the tests.
//!
//! A test about traffic needs both ends of it to notice each wrong byte, and both have to run in an image without
//! a shell, as any user. So there is one program of our own for both: [`serve`] answers, the rest asks. All of it
//! reports in JSON lines, which the harness reads through `exec`.

use std::io;
use std::time::Duration;

use tokio::time;

pub mod ask;
pub mod busy;
pub mod bytes;
pub mod flows;
pub mod get;
pub mod grpc;
pub mod http;
pub mod load;
pub mod measure;
pub mod serve;
pub mod tree;
pub mod ws;

/// Gives up after so many milliseconds.
///
/// # Errors
///
/// Those of the work, and `TimedOut`.
pub async fn within<T>(milliseconds: u64, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    time::timeout(Duration::from_millis(milliseconds), work)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")))
}

/// Prints one line; a reader that went away is not worth a panic.
pub fn say(line: &impl serde::Serialize) {
    use std::io::Write as _;
    if let Ok(text) = serde_json::to_string(line) {
        let mut out = io::stdout().lock();
        let _ = writeln!(out, "{text}");
        let _ = out.flush();
    }
}
