//! The only file that prints: data to stdout, talk to stderr.
//!
//! On a terminal the step in hand is one moving line (indicatif); elsewhere, and with `CI` or `NO_COLOR` set,
//! every event is a plain line, so that logs and screen readers get the same words. Everything can be
//! understood without colour.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place that may print")]

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;

use crate::error::Failure;

/// Where a command's words go. Cheap to clone.
#[derive(Clone)]
pub struct Output {
    inner: Arc<Inner>,
}

struct Inner {
    terminal: bool,
    colour: bool,
    /// The moving line, while a step is in hand.
    bar: Mutex<Option<ProgressBar>>,
}

/// A step in hand; ends with [`Step::done`]. Dropped, it leaves its line as it is.
#[must_use = "a step ends with `done`"]
pub struct Step {
    output: Output,
    name: &'static str,
    started: Instant,
}

impl Output {
    /// Looks at stderr and the environment once.
    pub fn new() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let terminal =
            io::stderr().is_terminal() && !set("CI") && std::env::var("TERM").as_deref() != Ok("dumb");
        let colour = terminal && !set("NO_COLOR");
        Self { inner: Arc::new(Inner { terminal, colour, bar: Mutex::new(None) }) }
    }

    /// Begins a step. `name` is one word that stays the same for scripts; `doing` is for people.
    pub fn step(&self, name: &'static str, doing: &str) -> Step {
        if self.inner.terminal {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_message(doing.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            *self.bar() = Some(bar);
        } else {
            eprintln!("step: {name}: {doing}");
        }
        Step { output: self.clone(), name, started: Instant::now() }
    }

    /// One line of talk.
    pub fn say(&self, line: &str) {
        self.talk(line.to_owned());
    }

    /// More about the step in hand: stays in view.
    pub fn note(&self, line: &str) {
        self.talk(format!("  {line}"));
    }

    /// The line people and scripts wait for.
    pub fn ready(&self, line: &str) {
        let word = if self.inner.colour { "ready:".green().bold().to_string() } else { "ready:".to_owned() };
        self.talk(format!("{word} {line}"));
    }

    /// A change of state: who serves now, and why.
    pub fn state(&self, line: &str) {
        let word = if self.inner.colour { "state:".yellow().to_string() } else { "state:".to_owned() };
        self.talk(format!("{word} {line}"));
    }

    /// Something that works, but not as the user may think.
    pub fn warn(&self, line: &str) {
        let word =
            if self.inner.colour { "warning:".yellow().bold().to_string() } else { "warning:".to_owned() };
        self.talk(format!("{word} {line}"));
    }

    /// What failed, why, and what to do.
    pub fn failure(&self, failure: &Failure) {
        self.clear();
        let text = failure.to_string();
        match text.split_once(':') {
            Some((head, rest)) if self.inner.colour => eprintln!("{}:{rest}", head.red().bold()),
            _ => eprintln!("{text}"),
        }
    }

    /// Data, to stdout.
    pub fn data(&self, text: &str) {
        println!("{text}");
    }

    /// A line of somebody else's program, to stdout, as if it ran here; whether anybody reads.
    pub fn word(&self, text: &str) -> bool {
        match &*self.bar() {
            Some(bar) => bar.suspend(|| self.line(text).is_ok()),
            None => self.line(text).is_ok(),
        }
    }

    /// One line of many, to stdout.
    ///
    /// # Errors
    /// Nobody reads any more, as when `head` has seen enough.
    pub fn line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{text}")
    }

    /// Bytes as they are, to stdout.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    }

    /// A question; the answer follows on its line.
    pub fn ask(&self, question: &str) {
        eprint!("{question}");
    }

    /// Takes the moving line away, before another program writes to the terminal.
    pub fn clear(&self) {
        if let Some(bar) = self.bar().take() {
            bar.finish_and_clear();
        }
    }

    fn talk(&self, line: String) {
        match &*self.bar() {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    fn bar(&self) -> std::sync::MutexGuard<'_, Option<ProgressBar>> {
        self.inner.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl Step {
    /// Why this step takes long, or what was found: stays in view.
    pub fn note(&self, line: &str) {
        self.output.note(line);
    }

    /// Ends the step; `what` says what is true now.
    pub fn done(self, what: &str) {
        let ms = self.started.elapsed().as_millis();
        if self.output.inner.terminal {
            self.output.clear();
            let mark = if self.output.inner.colour { "✓".green().to_string() } else { "✓".to_owned() };
            eprintln!("{mark} {what}  {ms} ms");
        } else {
            eprintln!("done: {}: {what} ({ms} ms)", self.name);
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if self.output.inner.terminal {
            self.output.clear();
        }
    }
}
