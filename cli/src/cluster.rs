//! The only module that knows the Kubernetes API.
//!
//! Read in this order: [`target`] (what is being swapped), [`objects`] (what is made for it), [`record`] (the
//! lock and owner of all of it), [`key`] (the one change to something of the user's), [`repair`] (undo),
//! [`keeper`] (undo when this laptop is dead). [`pods`], [`logs`], [`mod@debug`] and [`attach`] only look.

pub mod agent_pod;
pub mod api;
pub mod attach;
pub mod client;
pub mod connect;
pub mod debug;
pub mod exec;
pub mod gitops;
pub mod keeper;
pub mod key;
pub mod kubeconfig;
pub mod logs;
pub mod names;
pub mod objects;
pub mod originals;
pub mod parts;
pub mod plugin;
pub mod pods;
pub mod portforward;
pub mod preflight;
pub mod record;
pub mod repair;
mod stand_in;
pub mod start;
pub mod target;
pub mod watch;

pub use connect::Cluster;
