//! The laptop end of devbridge: the `devbridge` command.
//!
//! [`args`] is what the user may write, [`commands`] what is done about it. [`cluster`] is the only module that knows
//! Kubernetes, [`session`] what runs from attach to leave, [`sandbox`] where the developer's process runs, [`watch`] what
//! changes in a folder, [`terminal`] the user's, [`memory`] how much is kept, [`bundle`] the agent that is brought along, [`output`] the only one that prints.

pub mod args;
pub mod bundle;
pub mod cluster;
pub mod commands;
pub mod error;
pub mod memory;
pub mod output;
pub mod sandbox;
pub mod session;
pub mod terminal;
pub mod watch;

use args::{Cli, Command};
use error::Failure;
use output::Output;

/// Runs one command; the exit status, or what to tell the user.
///
/// # Errors
/// See each command.
pub async fn run(cli: Cli, output: &Output) -> Result<u8, Failure> {
    match cli.command {
        Command::Intercept(args) => return commands::intercept::run(args, output).await,
        Command::Debug(args) => return commands::debug::run(args, output).await,
        Command::Leave(args) => commands::leave::run(args, output).await?,
        Command::List(args) => commands::list::run(args, output).await?,
        Command::Status(args) => commands::status::run(args, output).await?,
        Command::Sync(args) => return commands::sync::run(*args, output).await,
        Command::Requests(args) => return commands::requests::run(args, output).await,
        Command::Dashboard(args) => return commands::dashboard::run(args, output).await,
        Command::Logs(args) => commands::logs::run(args, output).await?,
        Command::Gc(args) => commands::gc::run(args, output).await?,
        Command::Install(args) => commands::install::run(args, output).await?,
        Command::Uninstall(args) => commands::uninstall::run(args, output).await?,
        Command::Doctor(args) => commands::doctor::run(args, output).await?,
        Command::Version => output.data(&format!(
            "devbridge {} (protocol {})",
            env!("CARGO_PKG_VERSION"),
            tunnel::version::PROTOCOL
        )),
        Command::Completion { shell } => commands::completion::run(shell, output),
    }
    Ok(0)
}
