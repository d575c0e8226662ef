//! The process of a synced target: runs the developer's code in the pod.

use tunnel::{Flow, StreamError};

use crate::agent::Agent;

/// Serves one stream of the process.
pub(crate) async fn serve(_agent: &Agent, _session: u64, _flow: Flow) -> Result<(), StreamError> {
    Ok(())
}

/// What runs in the pod.
pub(crate) struct Process;

impl Process {
    /// Stub.
    pub(crate) fn new(_ports: Vec<u16>) -> Self {
        Self
    }

    /// Dials.
    pub(crate) async fn dial(&self, _port: u16) -> std::io::Result<tokio::net::TcpStream> {
        Err(std::io::ErrorKind::ConnectionRefused.into())
    }
}
