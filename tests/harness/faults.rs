//! What a fault did to requests: one row of the table in `docs/reliability.md`, measured and held to its goals.
//!
//! ```no_run
//! # use harness::{Goal, Load, World};
//! # async fn story(world: World) {
//! let mut fault = world.fault("laptop `kill -9`").goal(Goal::Failed(0));
//! let load = world.load("http://web/", Load::USUAL).await;
//! // Something is killed here.
//! fault.happened();
//! fault.requests(&load.end().await);
//! fault.tell(&"what a failure shows");
//! # }
//! ```
//!
//! Times are those of the load's own answers: who gave them, and when. What a test does not measure stays empty. A test
//! fails when a count misses its goal, or a time misses three times its goal: machines of tests are busy. In the table
//! a goal that was missed says so.

use std::fmt;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::load::{Counted, RunningLoad};
use crate::{Process, World, deadline, run};

mod measure;
mod table;

use measure::{Measured, Moments};
pub(crate) use table::{Rows, write};

/// What a fault may cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// So many requests that begin after the fault.
    Failed(u64),
    /// So many refused connections.
    Refused(u64),
    /// So many seconds until originals serve, or the laptop again if it was faster, and nothing that begins later fails.
    Originals(f64),
    /// So many seconds until the laptop serves again.
    Laptop(f64),
    /// So many seconds for the request that waits longest.
    Wait(f64),
    /// So many flows.
    Flows(u64),
    /// Nothing is left after so many seconds.
    Nothing(f64),
}

/// A test's machine may be so much slower than a goal.
const SLOWER: f64 = 3.0;

/// So many failed requests are shown of each fault.
const TOLD: usize = 2;

/// A row that is being measured.
pub struct Fault {
    world: World,
    row: Row,
    happened: Option<Instant>,
    done: Option<Instant>,
    ended: Option<Instant>,
    settled: Option<Instant>,
}

/// A row of the table; what was not measured is empty.
#[derive(Debug, Clone, Default)]
struct Row {
    fault: String,
    /// With its modules.
    test: &'static str,
    goals: Vec<Goal>,
    requests: Option<Measured>,
    /// Lost, and how many there were.
    flows: Option<(u64, u64)>,
    bytes: Option<(u64, u64)>,
    /// Seconds until nothing was left.
    nothing: Option<f64>,
    /// What stays, in words.
    stays: Option<String>,
}

impl World {
    /// Begins a row; `fault` says what happens.
    pub fn fault(&self, fault: &str) -> Fault {
        let row = Row { fault: fault.to_owned(), test: run::name(), ..Row::default() };
        Fault { world: self.clone(), row, happened: None, done: None, ended: None, settled: None }
    }
}

impl Fault {
    /// What it may cost at most. May be said several times.
    #[must_use]
    pub fn goal(mut self, goal: Goal) -> Self {
        self.row.goals.push(goal);
        self
    }

    /// It has happened just now.
    pub fn happened(&mut self) {
        self.happened = Some(Instant::now());
    }

    /// What was only ordered when it [`Self::happened`] is done just now. It happened between the two, when the laptop
    /// answered last: a machine that is told to lose its power does so up to a second later where others are busy.
    pub fn done(&mut self) {
        self.done = Some(Instant::now());
    }

    /// It is over just now: the time until the laptop serves again counts from here.
    pub fn over(&mut self) {
        self.ended = Some(Instant::now());
    }

    /// What it did is over just now: who answers later is no matter of the fault. What fails later still is.
    pub fn settled(&mut self) {
        self.settled = Some(Instant::now());
    }

    /// What a load has counted, from before the fault on.
    pub fn requests(&mut self, counted: &Counted) {
        let happened = self.happened.expect("the fault has happened");
        let moments = Moments::new(counted, happened, self.done, self.ended, self.settled);
        // The slowest say most about what went wrong.
        let mut slowest: Vec<_> = counted.failures.iter().collect();
        slowest.sort_by(|one, other| other.after_ms.total_cmp(&one.after_ms));
        for failure in slowest.iter().take(TOLD) {
            self.world.note(&format!(
                "{}: failed, {:.1} s after the fault: {failure:?}",
                self.row.fault,
                failure.at - counted.clock(happened)
            ));
        }
        self.row.requests = Some(Measured::new(counted, &moments));
    }

    /// How many open flows were lost, of how many.
    pub fn flows_lost(&mut self, lost: u64, of: u64) {
        self.row.flows = Some((lost, of));
    }

    /// How many bytes of open flows did not arrive as they were sent, of how many.
    pub fn bytes_lost(&mut self, lost: u64, of: u64) {
        self.row.bytes = Some((lost, of));
    }

    /// Nothing of devbridge can be listed any more, just now.
    pub fn nothing_is_left(&mut self) {
        self.row.nothing = Some(self.happened.expect("the fault has happened").elapsed().as_secs_f64());
    }

    /// What stays behind, where nobody is there to remove it.
    pub fn stays(&mut self, what: &str) {
        self.row.stays = Some(what.to_owned());
    }

    /// Ctrl-C in a session, after which the load goes on for a while and nothing is left: the end of most stories.
    ///
    /// # Panics
    ///
    /// When devbridge fails or leaves something, or the row misses a goal.
    pub async fn leaves(mut self, mut session: Process, mut load: RunningLoad) {
        self.settled.get_or_insert_with(Instant::now);
        session.signal(Signal::SIGINT);
        assert_eq!(session.exit(deadline::LEAVE).await, 0, "{session:?}");
        load.go_on(2.0).await;
        let counted = load.end().await;
        self.world.nothing_is_left().await;
        self.requests(&counted);
        self.stays("nothing, after Ctrl-C");
        self.tell(&(counted, session));
    }

    /// Puts the row into the run's table. `seen` is shown with a failure.
    ///
    /// # Panics
    ///
    /// When it misses a goal by more than tests allow.
    pub fn tell(self, seen: &dyn fmt::Debug) {
        let Self { world, row, .. } = self;
        world.note(&row.to_string());
        let missed: Vec<_> =
            row.goals.iter().filter(|goal| row.meets(**goal, SLOWER) != Some(true)).collect();
        let text = format!("missed {missed:?}: {row:#?}\n{seen:#?}");
        let fine = missed.is_empty();
        world.cluster().rows().add(row);
        assert!(fine, "{text}");
    }
}

impl Row {
    /// Whether a goal was met, with so much more time; `None` when what it is about was not measured.
    fn meets(&self, goal: Goal, times: f64) -> Option<bool> {
        let requests = self.requests.as_ref();
        let within = |seconds: Option<f64>, goal: f64| seconds.map(|seconds| seconds <= goal * times);
        match goal {
            Goal::Failed(goal) => requests.map(|requests| requests.failed + requests.later <= goal),
            Goal::Refused(goal) => requests.map(|requests| requests.refused <= goal),
            Goal::Originals(goal) => within(requests?.served, goal),
            Goal::Laptop(goal) => within(requests?.laptop, goal),
            Goal::Wait(goal) => within(requests.map(|requests| requests.longest), goal),
            Goal::Flows(goal) => self.flows.map(|(lost, _)| lost <= goal),
            Goal::Nothing(goal) => within(self.nothing, goal),
        }
    }
}
