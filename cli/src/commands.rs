//! One file per command.

pub mod completion;
pub mod dashboard;
pub mod debug;
pub mod doctor;
pub mod gc;
pub mod install;
pub mod intercept;
pub mod leave;
pub mod list;
pub mod logs;
mod own;
pub mod requests;
pub mod signals;
pub mod status;
mod swap;
pub mod sync;
pub mod table;
pub mod uninstall;
