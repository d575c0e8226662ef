//! HTTP as it passes through a session: what was asked, what was answered, by whom and how fast.
//!
//! ```text
//! bytes of a connection --read--> exchanges --ring--> filter --> list, show, follow, dashboard
//!                                                        \--> diff, export, replay
//! ```
//!
//! Nothing here carries bytes: it sees copies of what has passed already, and may lose some when it is slower than they
//! come. It knows neither Kubernetes nor sockets, so that the commands, the dashboard and tests share it.

pub mod decode;
pub mod diff;
pub mod exchange;
pub mod export;
pub mod filter;
pub mod mask;
pub mod read;
pub mod ring;
pub mod text;

pub use exchange::{Body, Direction, End, Exchange, Header, Message, Messages, Route, Timing, Version};
