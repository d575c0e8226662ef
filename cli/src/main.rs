//! Arguments → run → exit status.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use devbridge::args::{Cli, Command};
use devbridge::error::{Exit, Failure};
use devbridge::output::Output;

fn main() -> ExitCode {
    // The sandbox's supervisor is this program again; it must run before anything starts a thread.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == "__sandbox") {
        let control = args.next().and_then(|fd| fd.to_str()?.parse().ok());
        return control.map_or(ExitCode::FAILURE, devbridge::sandbox::inside);
    }
    let cli = Cli::parse();
    let runs_command = match &cli.command {
        Command::Intercept(args) => !args.command.is_empty(),
        Command::Debug(args) => !args.command.is_empty(),
        Command::Sync(args) => !args.run.command.is_empty(),
        _ => false,
    };
    let output = Output::new();
    logging(&output);
    // Two rustls providers in one process would make every TLS client panic; this chooses once. It fails only when
    // a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::new("DB-SYSTEM-001", Exit::Failure, "cannot start").why(error);
            output.failure(&failure);
            return failure.status(runs_command).into();
        }
    };
    let status = match runtime.block_on(devbridge::run(cli, &output)) {
        Ok(status) => status,
        Err(failure) => {
            output.failure(&failure);
            failure.status(runs_command)
        }
    };
    output.clear();
    // Work that is still blocked in the kernel must not keep the terminal.
    runtime.shutdown_background();
    ExitCode::from(status)
}

/// Off unless `DEVBRIDGE_LOG` asks for it: what a user must know is said by the commands themselves.
fn logging(output: &Output) {
    let Ok(filter) = std::env::var("DEVBRIDGE_LOG") else { return };
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let output = output.clone();
    let writer = move || Diagnostics(output.clone());
    // Fails only when a subscriber is there already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).try_init();
}

/// Where diagnostics go: never over a screen that is drawn.
struct Diagnostics(Output);

impl io::Write for Diagnostics {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.diagnose(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
