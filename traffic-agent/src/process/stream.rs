//! One stream of the process: what the laptop asks, what it is told, and when requests are held.
//!
//! One message at a time, and none is read while one is carried out: what waits is bounded by the stream's window.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::time::{self, Instant};
use tunnel::{
    RecvHalf, SendHalf, StreamError,
    sync::{Command, FromProcess, MAX_PROCESS, ToProcess},
};

use super::{Place, listening::Listening, running::Running};
use crate::{agent::Agent, laptop::Pause};

/// How long requests that are under way may take before their process is asked to end: those that a pause waits for, and some
/// time for a connection that is just being made.
const DRAIN: Duration = Duration::from_secs(3);
/// How long the laptop may take to make room for a message.
const WRITE: Duration = Duration::from_secs(5);

pub(super) struct Stream<'a> {
    agent: &'a Agent,
    session: u64,
    place: Place,
    send: SendHalf,
    running: Option<Running>,
    listening: Listening,
    /// Ports that must accept before requests go there; none: any one.
    expected: BTreeSet<u16>,
    /// How long they may take.
    deadline: Option<Instant>,
    /// Holds requests until then.
    pause: Option<Pause>,
}

/// What a stream waits for.
enum Event {
    Asked(Option<ToProcess>),
    /// The process ended by itself.
    Ended(i32),
    /// One more port accepts.
    Listens,
    /// The process has had its time to listen.
    Late,
}

impl<'a> Stream<'a> {
    pub(super) fn new(agent: &'a Agent, session: u64, place: Place, send: SendHalf) -> Self {
        Self {
            agent,
            session,
            place,
            send,
            running: None,
            listening: Listening::new(&agent.process.ports),
            expected: BTreeSet::new(),
            deadline: None,
            pause: None,
        }
    }

    /// Until the laptop ends its direction. Cancel safe: the process is ended then.
    pub(super) async fn run(mut self, mut recv: RecvHalf) -> Result<(), StreamError> {
        loop {
            match self.next(&mut recv).await? {
                Event::Asked(Some(ToProcess::Start(command))) => self.start(command).await?,
                Event::Asked(Some(ToProcess::Stop)) => {
                    if let Some(running) = self.running.take() {
                        let code = running.end().await;
                        self.ended(code).await?;
                    }
                }
                Event::Asked(None) => {
                    if let Some(running) = self.running.take() {
                        running.end().await;
                    }
                    self.send.finish();
                    return Ok(());
                }
                Event::Ended(code) => {
                    self.running = None;
                    self.ended(code).await?;
                }
                Event::Listens => self.listens().await?,
                Event::Late => {
                    self.deadline = None;
                    self.expected.clear();
                    self.pause = None;
                    if !self.listening.ports().is_empty() {
                        self.listens().await?;
                    }
                }
            }
        }
    }

    /// Cancel safe.
    async fn next(&mut self, recv: &mut RecvHalf) -> Result<Event, StreamError> {
        let ports = &self.agent.process.ports;
        let (runs, deadline) = (self.running.is_some(), self.deadline);
        Ok(tokio::select! {
            message = recv.message(MAX_PROCESS) => Event::Asked(message?),
            code = ended(self.running.as_mut()) => Event::Ended(code),
            () = self.listening.next(ports), if runs => Event::Listens,
            () = until(deadline) => Event::Late,
        })
    }

    async fn start(&mut self, command: Command) -> Result<(), StreamError> {
        if let Some(running) = self.running.take() {
            let pause = self.agent.desk.pause(self.session);
            if let Some(pause) = &pause {
                // What takes longer is cut off, or the process waits for it.
                let _ = time::timeout(DRAIN, pause.drained()).await;
            }
            // The one of a start before goes only now: nobody slips through between two starts.
            self.pause = pause;
            self.expect();
            running.end().await;
        }
        let process = &self.agent.process;
        // Before the start, which the first bind may follow at once.
        self.listening = Listening::new(&process.ports);
        self.deadline = Some(Instant::now() + Duration::from_millis(command.listen.into()));
        let answer = match Running::start(process, command, Arc::clone(&self.place)).await {
            Ok(running) => {
                let pid = running.pid;
                self.running = Some(running);
                FromProcess::Started { pid }
            }
            Err(why) => {
                self.release();
                FromProcess::NotStarted { why }
            }
        };
        if process.ports.is_empty() {
            self.release();
        }
        self.tell(&answer).await
    }

    async fn listens(&mut self) -> Result<(), StreamError> {
        let ports = self.listening.ports();
        if !ports.is_superset(&self.expected) {
            return Ok(());
        }
        let ports = ports.iter().copied().collect();
        self.release();
        self.tell(&FromProcess::Listens { ports }).await
    }

    async fn ended(&mut self, code: i32) -> Result<(), StreamError> {
        self.expect();
        self.release();
        self.tell(&FromProcess::Ended { code }).await
    }

    /// The next process must listen on what this one does; if it never came so far, on what was expected of it.
    fn expect(&mut self) {
        if !self.listening.ports().is_empty() {
            self.expected.clone_from(self.listening.ports());
        }
    }

    /// Requests are held no more. Before anything is said, which may take its time.
    fn release(&mut self) {
        self.deadline = None;
        self.pause = None;
    }

    async fn tell(&mut self, message: &FromProcess) -> Result<(), StreamError> {
        let sent = self.send.message(message, MAX_PROCESS);
        time::timeout(WRITE, sent).await.map_err(|_| StreamError::TimedOut)?
    }
}

async fn ended(running: Option<&mut Running>) -> i32 {
    match running {
        Some(running) => running.ended().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
