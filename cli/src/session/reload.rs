//! Reload: what is saved runs. The process of a session with `--watch` is started anew when its files change.
//!
//! Commands for the changed files run first, beside the process that still serves: one that fails leaves it as it was.
//! Before the process ends the agent takes its callers back, each between two requests, and gives them to the next one when
//! that listens: so not even a POST is lost. A process that ends by itself stays ended, in view, until the next save.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{self, Instant};
use tunnel::message::{MAX_OPEN, Open, Reply};
use tunnel::status::{Process, Save, Serving};
use tunnel::tasks::Tasks;
use tunnel::{Flow, Priority};

use super::current::Current;
use super::journal::{self, now_ms};
use super::requests::Way;
use super::saves::{Saves, files, names};
use super::status::Board;
use crate::output::Output;
use crate::sandbox::{Exit, Starter};
use crate::watch::circle::Circle;
use crate::watch::tree::{Changes, merge};

/// For so long requests under way may keep the old process from being asked to end. The agent says when none is that is worth
/// waiting for: the older ones get what the process gives them within its grace.
const UNDER_WAY: Duration = Duration::from_secs(3);
/// When there is no way to the agent for so long, it is not waited for.
const NO_WAY: Duration = Duration::from_millis(250);
/// Between two looks whether the process listens, at first and later.
const LOOK: Duration = Duration::from_millis(2);
const LATER: Duration = Duration::from_millis(50);
/// A process that needs longer is not waited for by requests any more.
const LISTEN: Duration = Duration::from_secs(60);

/// What is followed, and what is done about it.
pub struct Reload {
    /// The folder, and the commands that run first.
    pub saves: Saves,
    /// How long the process may take to end.
    pub grace: Duration,
}

/// The process that is started anew.
pub struct Live {
    /// Starts it.
    pub starter: Starter,
    /// The way to its ports.
    pub way: Way,
    /// Its ports on the laptop.
    pub ports: Vec<u16>,
    /// The way to the agent, which holds requests meanwhile.
    pub current: Current,
    /// Where state goes.
    pub board: Board,
    /// Where words go.
    pub output: Output,
}

impl Reload {
    /// Starts the process anew whenever it has to be, until dropped; the process goes on then. Commands that run are killed.
    pub async fn run(self: Arc<Self>, live: Live) {
        let mut pending = Changes::new();
        let mut circle = Circle::default();
        let mut started = Instant::now();
        let mut served = BTreeSet::new();
        // Dropped with the next start.
        let mut _opening = Tasks::default();
        let mut ended = false;
        // Counts restarts.
        let mut generation = 0;
        loop {
            let changes = tokio::select! {
                changes = self.saves.next(&live.output) => changes,
                exit = live.starter.ended(), if !ended => {
                    ended = true;
                    live.ended(exit);
                    continue;
                }
            };
            let saved = Instant::now();
            let mut fresh = files(&changes);
            fresh.retain(|path| circle.counts(path));
            for path in circle.changed(&fresh, started.elapsed()) {
                fresh.remove(&path);
                live.output.warn(&format!(
                    "{} changes whenever the process starts, and does not count any more; put it into .devbridgeignore",
                    path.display()
                ));
            }
            if fresh.is_empty() {
                continue;
            }
            live.output.state(&format!("{} changed", names(&fresh)));
            merge(&mut pending, changes.into_iter().filter(|(path, _)| fresh.contains(path)).collect());
            let (next, all) = (generation + 1, files(&pending));
            let save = Save {
                generation: next,
                at_ms: now_ms(),
                what: names(&all),
                files: all.len() as u64,
                ..Save::default()
            };
            live.saves(|saves| saves.noticed(save, saved));
            if let Err(why) = self.saves.commands(&mut pending, &live.output).await {
                live.saves(|saves| saves.failed(next, &why));
                live.output.state(&format!("{why}; the process goes on as it was"));
                continue;
            }
            pending.clear();
            generation = next;
            live.saves(|saves| saves.restarts(generation));
            started = Instant::now();
            _opening = live.restart(self.grace, saved, &mut served).await;
            ended = false;
        }
    }
}

impl Live {
    fn ended(&self, exit: Exit) {
        let code = exit.code();
        self.saves(|saves| saves.does_not_listen(&format!("the process ended with {code}")));
        self.board.process(Process::Exited { code: i32::from(code) });
        self.board.serving(Serving::Originals {
            why: format!("the process ended with {code} and starts again with the next save"),
        });
    }

    /// Notes how far what was saved has come.
    fn saves(&self, change: impl FnOnce(&mut journal::Saves)) {
        self.output.journal().saves(change);
    }

    /// Ends the process and starts it; the tasks let requests come when it listens on the ports that it served before.
    async fn restart(&self, grace: Duration, saved: Instant, served: &mut BTreeSet<u16>) -> Tasks {
        let tasks = Tasks::default();
        let listening = self.board.read().ports.into_iter().filter(|port| port.listening);
        served.extend(listening.map(|port| port.laptop));
        let ports = if served.is_empty() { self.ports.iter().copied().collect() } else { served.clone() };
        let paused = self.pause().await;
        match self.starter.restart(grace).await {
            Ok(pid) => {
                self.board.change(|session| session.restarts += 1);
                self.board.process(Process::Running { pid });
                let (way, board) = (self.way.clone(), self.board.clone());
                let (output, starter) = (self.output.clone(), self.starter.clone());
                tasks.spawn_until_stopped(async move {
                    let listens = tokio::select! {
                        listens = time::timeout(LISTEN, listens(&way, ports)) => listens.is_ok(),
                        // Told by who started it.
                        _ = starter.ended() => return,
                    };
                    drop(paused);
                    output.journal().saves(|saves| match listens {
                        true => saves.listens(),
                        false => {
                            saves.does_not_listen(&format!("it does not listen after {} s", LISTEN.as_secs()))
                        }
                    });
                    if listens {
                        board.serving(Serving::Laptop);
                        output.state(&format!(
                            "process {pid} listens, {} ms after the save",
                            saved.elapsed().as_millis()
                        ));
                    }
                });
            }
            Err(Exit::Lost) => {}
            Err(exit) => self.ended(exit),
        }
        tasks
    }

    /// Has the agent send nothing until what this gives is dropped; returns when nothing is under way any more, or that takes
    /// too long. Without a way to the agent nothing comes either.
    async fn pause(&self) -> Option<Flow> {
        let mut current = self.current.clone();
        let connection = current.connection();
        let late = async {
            tokio::select! {
                () = time::sleep(UNDER_WAY) => {}
                () = connection.lost_for(NO_WAY) => {}
                () = async {
                    connection.closed().await;
                    time::sleep(NO_WAY).await;
                } => {}
            }
        };
        tokio::pin!(late);
        let mut flow = tokio::select! {
            opened = current.open(&Open::Pause, Priority::Control) => opened.ok()?,
            () = &mut late => return None,
        };
        tokio::select! {
            _ = flow.recv.message::<Reply>(MAX_OPEN) => {}
            () = &mut late => {}
        }
        Some(flow)
    }
}

/// Waits until the process listens on all ports.
async fn listens(way: &Way, mut ports: BTreeSet<u16>) {
    let started = Instant::now();
    loop {
        for port in ports.clone() {
            if way.dial(port).await.is_ok() {
                ports.remove(&port);
            }
        }
        if ports.is_empty() {
            return;
        }
        time::sleep(if started.elapsed() < LISTEN / 12 { LOOK } else { LATER }).await;
    }
}
