//! `tool`: see the library for what it is for.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tool::{ask, busy, flows, get, grpc, load, measure, serve, tree, ws};

#[derive(Parser)]
#[command(name = "tool", version, about = "Every service and every client of the tests")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer HTTP, gRPC, WebSocket, and raw bytes in several manners, until SIGTERM
    Serve(serve::Args),
    /// Ask at a steady rate and count what is not answered rightly
    Load(load::Args),
    /// Ask once, or some times
    Get(get::Args),
    /// Ask as told, and print whole answers
    Ask(ask::Args),
    /// Make one gRPC call to `serve --http2-port`
    Grpc(grpc::Args),
    /// Send WebSocket messages to `serve --websocket-port`
    Ws(ws::Args),
    /// Raw connections to `serve`: many at once, many bytes, half-closed, reset
    Raw(flows::Args),
    /// Measure how fast a way to `serve --raw-port` is
    Measure(measure::Args),
    /// Print all that is in a folder
    Tree(tree::TreeArgs),
    /// Change a folder at random
    Mutate(tree::MutateArgs),
    /// Tell when files have other contents
    Seen(tree::SeenArgs),
    /// Take a part of a processor away from others
    Busy(busy::Args),
    /// Do nothing until SIGTERM
    Sleep,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let ok = match Args::parse().command {
        Command::Serve(args) => report(serve::run(args).await),
        Command::Load(args) => load::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Ask(args) => ask::run(args).await,
        Command::Grpc(args) => report(grpc::run(args).await),
        Command::Ws(args) => report(ws::run(args).await),
        Command::Raw(args) => report(flows::run(args).await),
        Command::Measure(args) => report(measure::run(args).await),
        Command::Tree(args) => report(tree::tree(&args)),
        Command::Mutate(args) => report(tree::mutate(&args)),
        Command::Seen(args) => report(tree::seen(&args)),
        Command::Busy(args) => {
            busy::busy(args);
            true
        }
        Command::Sleep => report(serve::asked_to_end().await),
    };
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report<T>(result: std::io::Result<T>) -> bool {
    if let Err(error) = &result {
        tool::say(&serde_json::json!({ "error": error.to_string() }));
    }
    result.is_ok()
}
