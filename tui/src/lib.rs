//! Draws what devbridge is doing.
//!
//! It reads status and knows neither Kubernetes nor sockets, so everything that it draws can be tested from a
//! value. [`plain`] is for pipes, logs and screen readers.

pub mod plain;
