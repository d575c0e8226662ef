//! `devbridge completion`

use clap::CommandFactory;

use crate::args::Cli;
use crate::output::Output;

/// Prints the completion script of `shell`.
pub fn run(shell: clap_complete::Shell, output: &Output) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "devbridge", &mut script);
    output.data(String::from_utf8_lossy(&script).trim_end());
}
