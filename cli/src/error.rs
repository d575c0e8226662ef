//! What a failed command tells its user: what, why, fix, and a stable code.
//!
//! Each operation has its own error enum; a [`Failure`] is what is left of it when nobody can act on it any
//! more but the person in front of the screen. Codes never change their meaning: scripts and search engines
//! know them. Exit codes are those of `docs/commands.md`.

use std::fmt;

/// Exit codes. With `-- CMD` they are raised by 64, so that they can't be taken for CMD's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Anything without a code of its own.
    Failure = 1,
    /// Bad flags or arguments.
    Usage = 2,
    /// A file, variable or kubeconfig is invalid.
    Config = 3,
    /// The cluster can't be reached, or does not know this user.
    Cluster = 4,
    /// The user may not do this.
    Rights = 5,
    /// The target is missing, ambiguous or can't be swapped.
    Target = 6,
    /// Somebody else holds the target.
    Held = 7,
    /// Something did not happen in time.
    Timeout = 8,
    /// Ctrl-C before the session was ready (as shells report SIGINT).
    Interrupted = 130,
    /// SIGTERM before the session was ready.
    Terminated = 143,
}

/// An error in the words of its reader.
#[derive(Debug)]
pub struct Failure {
    /// Stable code: `DB-TARGET-001`.
    pub code: &'static str,
    /// Decides the process's exit status.
    pub exit: Exit,
    /// What could not be done: lower case, no full stop.
    pub what: String,
    /// The cause, when it is known.
    pub why: Option<String>,
    /// What to do about it, best first.
    pub fix: Vec<String>,
}

impl Failure {
    /// A failure without cause and advice.
    pub fn new(code: &'static str, exit: Exit, what: impl Into<String>) -> Self {
        Self { code, exit, what: what.into(), why: None, fix: Vec::new() }
    }

    /// Adds the cause.
    #[must_use]
    pub fn why(mut self, why: impl fmt::Display) -> Self {
        self.why = Some(why.to_string());
        self
    }

    /// Adds one piece of advice.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix.push(fix.into());
        self
    }

    /// The process's exit status; raised by 64 for a command that runs another (`-- CMD`).
    pub fn status(&self, runs_command: bool) -> u8 {
        match self.exit {
            Exit::Interrupted | Exit::Terminated => self.exit as u8,
            exit if runs_command => 64 + exit as u8,
            exit => exit as u8,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.what)?;
        if let Some(why) = &self.why {
            write!(f, "\n  why: {}", why.replace('\n', "\n       "))?;
        }
        for (at, fix) in self.fix.iter().enumerate() {
            let word = if at == 0 { "fix" } else { " or" };
            write!(f, "\n  {word}: {}", fix.replace('\n', "\n       "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// An error and its causes on one line, outermost first; a cause that its parent already says is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_why_and_fix() {
        let failure = Failure::new("DB-TARGET-001", Exit::Target, "no workload `web` in namespace shop")
            .why("there are: catalog, stock")
            .fix("devbridge intercept catalog")
            .fix("name another namespace with -n");
        insta::assert_snapshot!(failure, @r"
        error[DB-TARGET-001]: no workload `web` in namespace shop
          why: there are: catalog, stock
          fix: devbridge intercept catalog
           or: name another namespace with -n
        ");
    }

    #[test]
    fn statuses_of_a_running_command_are_kept_apart_from_ours() {
        let failure = Failure::new("DB-HELD-001", Exit::Held, "held");
        assert_eq!((failure.status(false), failure.status(true)), (7, 71));
        assert_eq!(Failure::new("DB-STOP-001", Exit::Interrupted, "stopped").status(true), 130);
    }
}
