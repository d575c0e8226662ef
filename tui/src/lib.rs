//! The dashboard: draws what devbridge is doing, in a terminal, and says what the user wants done about it.
//!
//! ```text
//! feed ──► data ──► state ──► view ──► terminal
//!                     ▲
//!            keys ──► input ──► actions, for whoever can do them
//! ```
//!
//! It reads status and knows neither Kubernetes nor sockets, so everything that it draws can be tested from a value.
//! [`feed`] is what comes in and [`action`] what goes out; [`state`] knows no terminal, [`view`] changes nothing, [`input`]
//! turns keys into [`command`]s. [`run`] is the loop. [`plain`] is for pipes, logs and screen readers.

pub mod action;
pub mod command;
pub mod data;
pub mod feed;
pub mod input;
mod pace;
pub mod plain;
mod rate;
mod screen;
pub mod state;
mod terminal;
pub mod theme;
pub mod view;

#[cfg(test)]
mod tests;

pub use screen::{Acts, Options, Terminal, run};
pub use state::Closed;
