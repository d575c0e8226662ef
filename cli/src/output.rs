//! The only file that prints: data to stdout, talk to stderr. All talk goes into the session's journal, too.
//!
//! On a terminal the step in hand is one moving line (indicatif); elsewhere, and with `CI` or `NO_COLOR` set,
//! every event is a plain line, so that logs and screen readers get the same words. Everything can be
//! understood without colour. While something else owns the terminal ([`Output::hush`]) the journal alone hears of it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the one place that may print")]

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;
use tunnel::status::Level;

use crate::error::Failure;
use crate::session::journal::Journal;

/// Warnings and failures that are printed when the terminal is there again: the newest.
const HELD: usize = 20;

/// Where a command's words go. Cheap to clone.
#[derive(Clone)]
pub struct Output {
    inner: Arc<Inner>,
}

struct Inner {
    terminal: bool,
    colour: bool,
    face: Mutex<Face>,
    journal: Journal,
}

/// What is on the terminal.
#[derive(Default)]
struct Face {
    /// The moving line, while a step is in hand.
    bar: Option<ProgressBar>,
    /// How many want nothing printed now.
    hushed: usize,
    /// What is printed afterwards.
    held: VecDeque<String>,
    /// More of it, which had no room.
    left_out: usize,
}

/// While it is there nothing is printed but data.
#[must_use = "printing goes on when it is dropped"]
pub struct Hush(Output);

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
        Self { inner: Arc::new(Inner { terminal, colour, face: Mutex::default(), journal: Journal::new() }) }
    }

    /// What was said.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Prints no talk from now on, and nothing that the process writes, until what this gives is dropped: something else owns the
    /// terminal. Warnings and failures of that time are printed then, the newest 20.
    pub fn hush(&self) -> Hush {
        self.clear();
        self.face().hushed += 1;
        Hush(self.clone())
    }

    /// Begins a step. `name` is one word that stays the same for scripts; `doing` is for people.
    pub fn step(&self, name: &'static str, doing: &str) -> Step {
        let mut face = self.face();
        if face.hushed > 0 {
            // Its end is told.
        } else if self.inner.terminal {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.set_message(doing.to_owned());
            bar.enable_steady_tick(Duration::from_millis(100));
            face.bar = Some(bar);
        } else {
            eprintln!("step: {name}: {doing}");
        }
        drop(face);
        Step { output: self.clone(), name, started: Instant::now() }
    }

    /// One line of talk.
    pub fn say(&self, line: &str) {
        self.talk(Level::Info, line, line.to_owned());
    }

    /// More about the step in hand: stays in view.
    pub fn note(&self, line: &str) {
        self.talk(Level::Info, line, format!("  {line}"));
    }

    /// The line people and scripts wait for.
    pub fn ready(&self, line: &str) {
        let word = if self.inner.colour { "ready:".green().bold().to_string() } else { "ready:".to_owned() };
        self.talk(Level::Info, line, format!("{word} {line}"));
    }

    /// A change of state: who serves now, and why.
    pub fn state(&self, line: &str) {
        let word = if self.inner.colour { "state:".yellow().to_string() } else { "state:".to_owned() };
        self.talk(Level::State, line, format!("{word} {line}"));
    }

    /// Something that works, but not as the user may think.
    pub fn warn(&self, line: &str) {
        let word =
            if self.inner.colour { "warning:".yellow().bold().to_string() } else { "warning:".to_owned() };
        self.talk(Level::Warning, line, format!("{word} {line}"));
    }

    /// What failed, why, and what to do.
    pub fn failure(&self, failure: &Failure) {
        self.clear();
        let text = failure.to_string();
        let shown = match text.split_once(':') {
            Some((head, rest)) if self.inner.colour => format!("{}:{rest}", head.red().bold()),
            _ => text.clone(),
        };
        self.talk(Level::Failure, &text, shown);
    }

    /// Data, to stdout.
    pub fn data(&self, text: &str) {
        println!("{text}");
    }

    /// A line of somebody else's program, to stdout, as if it ran here; whether anybody reads.
    pub fn word(&self, text: &str) -> bool {
        self.inner.journal.said(text);
        self.beside_the_bar(|| self.line(text).is_ok()).unwrap_or(true)
    }

    /// What the process writes on a terminal of its own, as it is, to stdout; nothing while hushed. [`Journal::said`] is told its
    /// lines by who cuts them.
    pub fn copy(&self, bytes: &[u8]) {
        // The process does not end because nobody reads.
        let _ = self.beside_the_bar(|| self.bytes(bytes));
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

    /// Diagnostics, to stderr; nothing while hushed where that is the terminal.
    pub fn diagnose(&self, bytes: &[u8]) {
        // Who asked for them and reads them no more does not end the command.
        if io::stderr().is_terminal() {
            let _ = self.beside_the_bar(|| io::stderr().write_all(bytes));
        } else {
            let _ = io::stderr().write_all(bytes);
        }
    }

    /// A question; the answer follows on its line.
    pub fn ask(&self, question: &str) {
        eprint!("{question}");
    }

    /// Takes the moving line away, before another program writes to the terminal.
    pub fn clear(&self) {
        if let Some(bar) = self.face().bar.take() {
            bar.finish_and_clear();
        }
    }

    /// `line` is what is told, `shown` what is printed.
    fn talk(&self, level: Level, line: &str, shown: String) {
        self.inner.journal.event(level, line);
        let mut face = self.face();
        match &face.bar {
            _ if face.hushed > 0 => {
                if level >= Level::Warning {
                    face.hold(shown);
                }
            }
            Some(bar) => bar.println(shown),
            None => eprintln!("{shown}"),
        }
    }

    /// Prints while the moving line is away; not at all while hushed.
    fn beside_the_bar<T>(&self, print: impl FnOnce() -> T) -> Option<T> {
        let face = self.face();
        match &face.bar {
            _ if face.hushed > 0 => None,
            Some(bar) => Some(bar.suspend(print)),
            None => Some(print()),
        }
    }

    fn face(&self) -> MutexGuard<'_, Face> {
        self.inner.face.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Face {
    fn hold(&mut self, shown: String) {
        if self.held.len() >= HELD {
            self.held.pop_front();
            self.left_out += 1;
        }
        self.held.push_back(shown);
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        let mut face = self.0.face();
        face.hushed = face.hushed.saturating_sub(1);
        if face.hushed > 0 {
            return;
        }
        let left_out = std::mem::take(&mut face.left_out);
        if left_out > 0 {
            eprintln!("{left_out} warnings before these are left out");
        }
        face.held.drain(..).for_each(|line| eprintln!("{line}"));
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
        let inner = &self.output.inner;
        inner.journal.event(Level::Info, &format!("{what} ({ms} ms)"));
        if inner.terminal {
            self.output.clear();
        }
        let face = self.output.face();
        if face.hushed > 0 {
            // Told already.
        } else if inner.terminal {
            let mark = if inner.colour { "✓".green().to_string() } else { "✓".to_owned() };
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

#[cfg(test)]
mod tests {
    use tunnel::status::{Event, News};

    use super::*;
    use crate::error::Exit;
    use crate::session::journal::Place;

    fn told(output: &Output) -> Vec<(Level, String)> {
        let of = |news| match news {
            News::Event(Event { level, text, .. }) => Some((level, text)),
            _ => None,
        };
        output.journal().since(&mut Place::default(), 1000).into_iter().filter_map(of).collect()
    }

    #[test]
    fn what_is_said_while_hushed_is_told_and_what_matters_is_printed_afterwards() {
        let output = Output::new();
        let (hush, inner) = (output.hush(), output.hush());
        output.say("one");
        output.note("two");
        output.state("three");
        output.warn("four");
        output.failure(&Failure::new("DB-TEST-001", Exit::Failure, "five").why("six").fix("seven"));
        drop(inner);
        output.ready("eight");
        assert!(output.word("a line"), "its reader is the journal");
        let step = output.step("step", "doing");
        step.done("nine");
        let levels: Vec<_> = told(&output).into_iter().map(|(level, _)| level).collect();
        let (info, failure) = (Level::Info, Level::Failure);
        assert_eq!(levels, [info, info, Level::State, Level::Warning, failure, info, info]);
        assert_eq!(told(&output)[4].1, "error[DB-TEST-001]: five; why: six; fix: seven");
        assert!(told(&output)[6].1.starts_with("nine ("));
        assert_eq!(output.face().held.len(), 2);
        drop(hush);
        assert!(output.face().held.is_empty());
        assert_eq!(output.face().hushed, 0);
    }

    #[test]
    fn what_is_printed_afterwards_is_bounded() {
        let output = Output::new();
        let hush = output.hush();
        (0..HELD + 3).for_each(|number| output.warn(&number.to_string()));
        {
            let face = output.face();
            assert_eq!((face.held.len(), face.left_out), (HELD, 3));
        }
        drop(hush);
        assert_eq!(told(&output).len(), HELD + 3);
    }
}
