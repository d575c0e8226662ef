//! The process of a synced target: runs the developer's code in the pod.

use tunnel::{Flow, StreamError};

use crate::agent::Agent;

/// Serves one stream of the process.
pub(crate) async fn serve(_agent: &Agent, _session: u64, _flow: Flow) -> Result<(), StreamError> {
    Ok(())
}
