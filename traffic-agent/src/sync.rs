//! The sync path: writes what the laptop sends into the target's folder.

use tunnel::{Flow, StreamError};

use crate::agent::Agent;

/// Serves one stream of the sync path.
pub(crate) async fn serve(_agent: &Agent, _flow: Flow) -> Result<(), StreamError> {
    Ok(())
}
