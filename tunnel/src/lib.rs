//! What the laptop end and the pod end of devbridge agree on.
//!
//! One QUIC connection per session, whose datagrams travel in the byte stream of a port-forward. Start with
//! [`message`]: it says what each stream of a session is for. The laptop begins with [`connect`], the agent
//! with [`accept`]; both get a [`Connection`], on which streams are opened and accepted as [`Flow`]s.
//!
//! The data's way, from the process to the wire: [`splice`] → [`flow`] → quinn → `link` (quinn's socket) →
//! `queue` → `pump` → [`carrier`]. The wire itself is described in `docs/protocol.md`.

pub mod message;
pub mod status;
pub mod sync;
pub mod version;

#[cfg(feature = "tokio")]
pub mod accept;
#[cfg(feature = "tokio")]
mod backoff;
#[cfg(feature = "tokio")]
pub mod budget;
#[cfg(feature = "tokio")]
pub mod carrier;
#[cfg(feature = "tokio")]
mod congestion;
#[cfg(feature = "tokio")]
pub mod connect;
#[cfg(feature = "tokio")]
pub mod connection;
#[cfg(feature = "tokio")]
mod driver;
#[cfg(feature = "tokio")]
pub mod flow;
#[cfg(feature = "tokio")]
mod frame;
#[cfg(feature = "tokio")]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "tokio")]
mod hello;
#[cfg(feature = "tokio")]
pub mod identity;
#[cfg(feature = "tokio")]
mod link;
#[cfg(feature = "tokio")]
mod pump;
#[cfg(feature = "tokio")]
mod queue;
#[cfg(feature = "tokio")]
mod runtime;
#[cfg(feature = "tokio")]
pub mod socket;
#[cfg(feature = "tokio")]
pub mod splice;
#[cfg(feature = "tokio")]
pub mod tasks;
#[cfg(feature = "tokio")]
mod transport;

#[cfg(feature = "tokio")]
pub use connection::{Closed, Connection, Incoming, LinkState, OpenError, Priority, RESUME};
#[cfg(feature = "tokio")]
pub use flow::{Flow, RecvHalf, SendHalf, StreamError};
#[cfg(feature = "tokio")]
pub use identity::Token;
#[cfg(feature = "tokio")]
pub use transport::SetupError;
