//! The end of a session: why it came, the undo, and the exit code that follows.

use nix::sys::signal::Signal;

use crate::cluster::record::Record;
use crate::cluster::repair;
use crate::error::{Exit, Failure};
use crate::sandbox;
use crate::session::attach::Attached;
use crate::session::keep::Lost;
use crate::session::leave::leave;
use crate::session::socket::LeaveRequest;
use crate::session::{Context, over};

/// Why a running session ends.
pub(super) enum Why {
    /// A signal to devbridge.
    Signal(Signal),
    /// The process ended by itself.
    Process(sandbox::Exit),
    /// Somebody asked through the control socket.
    Asked(LeaveRequest),
    /// The record is not this session's any more.
    Lost(Lost),
    /// It can't go on.
    Over(Failure),
}

/// Leaves, and tells why; returns the exit status.
///
/// # Errors
/// Why the session could not go on, or what of the undo failed.
pub(super) async fn finish(
    context: &Context,
    record: &Record,
    attached: Attached,
    why: Why,
    session: &str,
) -> Result<u8, Failure> {
    let output = &context.output;
    output.clear();
    let mut signal = Some(Signal::SIGTERM);
    let mut asked = None;
    let mut failure = None;
    match why {
        Why::Signal(which) => {
            output.say(&format!("{which}: leaving"));
            signal = Some(which);
        }
        Why::Process(exit) => output.say(&format!("the process ended with {}: leaving", exit.code())),
        Why::Asked(done) => {
            output.say("leaving, as asked from another terminal");
            asked = Some(done);
        }
        Why::Lost(lost) => failure = Some(over::lost(context, session, lost).await),
        Why::Over(over) => failure = Some(over),
    }
    let left = leave(context, record, attached, signal).await;
    let answer = left.as_ref().map(|_| ()).map_err(|(failure, _)| failure.to_string());
    if let Some(asked) = asked {
        asked.answer(answer).await;
    }
    match (left, failure) {
        // Without rights or a namespace, no undo is to be expected.
        (Err(_), Some(failure)) if context.cluster.namespace_gone().await || failure.exit == Exit::Rights => {
            Err(failure)
        }
        (Err((failure, _)), _) => {
            Err(failure
                .fix(format!("devbridge leave {} -n {}", context.names.target, context.cluster.namespace)))
        }
        (Ok(_), Some(failure)) => Err(failure),
        (Ok(exit), None) => Ok(exit.map_or(0, sandbox::Exit::code)),
    }
}

/// Undo of an attach that did not finish; the process has ended with it.
pub(super) async fn undo(context: &Context, record: &Record) -> Result<(), Failure> {
    let step = context.output.step("undo", "undoing what was made");
    let undone = repair::undo(&context.cluster, &context.names, Some(record.uid())).await;
    match undone {
        Ok(_) => {
            step.done("nothing is left behind");
            Ok(())
        }
        Err(error) => Err(Failure::from(error)
            .fix(format!("devbridge leave {} -n {}", context.names.target, context.cluster.namespace))),
    }
}
