//! A cluster, a namespace of its own for each test, and a laptop with the `devbridge` command.
//!
//! A test says what a user does and what a user sees:
//!
//! ```no_run
//! # use harness::{Echo, World, deadline};
//! # async fn story(world: World) {
//! world.echo(Echo::new("web").replicas(2)).await;
//! let mut session = world.devbridge(&["intercept", "web", "--", "tool", "serve", "--name", "laptop"]);
//! session.line("ready:", deadline::ATTACH).await;
//! assert_eq!(world.ask("http://web/").await["by"], "laptop");
//! # }
//! ```
//!
//! The parts: [`run()`] starts one cluster for all tests and takes it down whatever happens; a [`World`] is what one
//! test has; [`Process`] is a command with both its streams; [`Load`] asks from inside the cluster and counts what
//! fails; a [`Fault`] is a row of `docs/reliability.md`; [`Snapshot`] is everything the cluster can list; a [`Relay`] is a link to the API server that can be spoiled, and
//! [`World::own_cluster`] a cluster whose nodes and API server can be. Whatever waits has a deadline, and what was seen until
//! then is in the failure's text.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test's failure is a panic that says what was seen"
)]

mod apart;
mod api;
mod cluster;
pub mod deadline;
mod exec;
mod faults;
mod flood;
mod laptop;
mod load;
mod login;
mod manifest;
mod nodes;
mod pods;
mod process;
mod relay;
mod run;
mod screen;
mod snapshot;
mod usage;
mod user;
mod world;

pub use apart::LoadApart;
pub use api::{Api, ApiError};
pub use cluster::Cluster;
pub use exec::{Ended, Exec};
pub use faults::{Fault, Goal};
pub use flood::Flood;
pub use laptop::{Person, free_port};
pub use load::{Counted, Load, RunningLoad};
pub use login::{Login, Token};
pub use manifest::Echo;
pub use nodes::{ApiServer, Node, spread};
pub use process::Process;
pub use relay::{Cut, Relay, Silent};
pub use run::{Test, run};
pub use screen::Screen;
pub use snapshot::Snapshot;
pub use tool::load::{Failure, Summary};
pub use usage::{Usage, child_of, usage};
pub use user::Rights;
pub use world::World;
