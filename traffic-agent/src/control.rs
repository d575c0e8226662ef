//! A session with a laptop: what it asks, and what it is told.
//!
//! One task per session reads control messages and judges whether the laptop is alive; every other stream that
//! the laptop opens has a task of its own ([`streams`]). Nothing here waits for the laptop without a limit, as
//! requests depend on the judgement.

mod streams;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    sync::oneshot,
    time::{self, Instant, MissedTickBehavior},
};
use tracing::{debug, info, warn};
use tunnel::{
    Connection, Flow, Priority, SendHalf, StreamError,
    accept::Acceptor,
    message::{Counters, MAX_MESSAGE, MAX_OPEN, Open, Probed, Reply, ToAgent, ToLaptop, Unavailable},
    tasks::Tasks,
    version::{PROTOCOL, RELEASE},
};

use crate::{
    agent::Agent,
    laptop::{Laptop, Place, judge},
};

/// How late a ping may be while other bytes come.
const LATE: Duration = Duration::from_secs(8);
/// How long the probe of the data path may take.
const PROBE: Duration = Duration::from_secs(5);
/// How long the laptop may take to make room for a control message.
const WRITE: Duration = Duration::from_secs(5);
/// How long a session may take to say what it wants.
const GREETING: Duration = Duration::from_secs(10);
/// How often counters are told, when they have changed.
const COUNTERS: Duration = Duration::from_secs(1);
/// Most questions of a laptop that are being answered at a time.
const QUESTIONS: usize = 16;
/// How long streams may take to end when their session is over.
const GRACE: Duration = Duration::from_secs(1);

/// Accepts sessions until cancelled; their tasks belong to `sessions`.
pub(crate) async fn accept(agent: Arc<Agent>, mut acceptor: Acceptor, sessions: Tasks) {
    let numbers = AtomicU64::new(1);
    loop {
        match acceptor.accept().await {
            Ok(connection) => {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                info!(session = number, "session begins");
                let stopping = sessions.stopping();
                sessions.spawn(serve(Arc::clone(&agent), number, connection, stopping));
            }
            Err(error) => {
                warn!(%error, "no session can be accepted");
                time::sleep(COUNTERS).await;
            }
        }
    }
}

/// Serves one session until it is over, or the agent is.
async fn serve(
    agent: Arc<Agent>,
    number: u64,
    connection: Connection,
    stopping: impl Future<Output = ()> + Send,
) {
    let tasks = Tasks::default();
    let (control, controls) = oneshot::channel();
    tasks.spawn_until_stopped(streams::accept(Arc::clone(&agent), number, connection.clone(), control));
    let control = async {
        match time::timeout(GREETING, controls).await {
            Ok(Ok(flow)) => {
                let mut session = Session::new(&agent, number, connection.clone());
                let ended = session.run(flow).await;
                session.end();
                ended
            }
            _ => Err(SessionError::NoGreeting),
        }
    };
    tokio::select! {
        ended = control => match ended {
            Ok(()) => connection.close("control stream ended"),
            Err(error) => connection.close(&error.to_string()),
        },
        why = connection.closed() => debug!(session = number, %why, "session closed"),
        () = stopping => connection.close("the agent is ending"),
    }
    agent.originals.abandon(number);
    let why = connection.closed().await;
    info!(session = number, %why, "session is over");
    tasks.stop(GRACE).await;
}

/// Why the agent ends a session.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("no control stream in time")]
    NoGreeting,
    #[error("the agent speaks protocol {PROTOCOL} (release {RELEASE}), the laptop {0} (release {1})")]
    Protocol(u16, String),
    #[error("the control stream begins without a greeting")]
    NotGreeted,
    #[error("too many questions at a time")]
    TooMany,
    #[error("control stream failed")]
    Stream(#[from] StreamError),
    #[error("the laptop reads no control messages")]
    Blocked,
}

/// What became of something that was started for the laptop.
enum Event {
    Probed(Vec<Probed>),
    /// The probe of the data path, and what it was asked for.
    Answered(Result<(Place, Unavailable), String>),
    Drained,
}

struct Session<'a> {
    agent: &'a Agent,
    number: u64,
    connection: Connection,
    /// When the laptop was last heard.
    heard: Instant,
    armed: Option<Arc<Laptop>>,
    told: Counters,
    events: FuturesUnordered<BoxFuture<'a, Event>>,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<'a> Session<'a> {
    fn new(agent: &'a Agent, number: u64, connection: Connection) -> Self {
        Self {
            agent,
            number,
            connection,
            heard: Instant::now(),
            armed: None,
            told: Counters::default(),
            events: FuturesUnordered::new(),
        }
    }

    /// The laptop takes no more requests.
    fn end(&mut self) {
        if let Some(laptop) = self.armed.take() {
            self.agent.desk.disarm(&laptop);
        }
    }

    async fn run(&mut self, flow: Flow) -> Result<(), SessionError> {
        let Flow { mut send, mut recv } = flow;
        match recv.message::<ToAgent>(MAX_MESSAGE).await? {
            Some(ToAgent::Hello { protocol, release }) => {
                let welcome = ToLaptop::Welcome {
                    protocol: PROTOCOL,
                    release: RELEASE.to_owned(),
                    boot: self.agent.boot,
                };
                tell(&mut send, &welcome).await?;
                if protocol != PROTOCOL {
                    send.finish();
                    // The laptop shall read the answer before the end of the session.
                    let _ = time::timeout(WRITE, send.stopped()).await;
                    return Err(SessionError::Protocol(protocol, release));
                }
            }
            _ => return Err(SessionError::NotGreeted),
        }
        let mut link = self.connection.link();
        let mut ticks = time::interval(COUNTERS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let judged_again = self.judge(*link.borrow_and_update());
            tokio::select! {
                message = recv.message::<ToAgent>(MAX_MESSAGE) => match message? {
                    Some(message) => self.asked(&mut send, message).await?,
                    None => return Ok(()),
                },
                Some(event) = self.events.next(), if !self.events.is_empty() => {
                    self.happened(&mut send, event).await?;
                }
                _ = link.changed() => {}
                () = until(judged_again) => {}
                _ = ticks.tick() => self.count(&mut send).await?,
            }
        }
    }

    /// Brings the laptop's condition up to date; says when to do so again.
    fn judge(&self, link: tunnel::LinkState) -> Option<Instant> {
        let laptop = self.armed.as_ref().filter(|laptop| laptop.is_away())?;
        // Pings may be late behind a transfer on a slow path, so whatever comes counts. But not for ever: it is the pings
        // that say that the laptop's end works.
        let heard = self.heard.max(self.connection.heard().min(self.heard + LATE));
        let (condition, again) = judge(Instant::now(), heard, link);
        if laptop.set(condition) {
            info!(session = self.number, ?condition, "laptop");
        }
        again
    }

    async fn asked(&mut self, send: &mut SendHalf, message: ToAgent) -> Result<(), SessionError> {
        self.heard = Instant::now();
        if self.events.len() >= QUESTIONS {
            return Err(SessionError::TooMany);
        }
        match message {
            ToAgent::Hello { .. } => debug!("a second greeting"),
            ToAgent::Ping(number) => tell(send, &ToLaptop::Pong(number)).await?,
            ToAgent::Originals(originals) => {
                debug!(count = originals.len(), "originals pushed");
                self.agent.originals.push(self.number, originals);
            }
            ToAgent::ProbeOriginals => {
                self.events.push(self.agent.originals.probe().map(Event::Probed).boxed());
            }
            ToAgent::Arm(unavailable) => {
                let place = Place::Laptop(self.connection.clone());
                self.events.push(self.probed(place, unavailable).map(Event::Answered).boxed());
            }
            ToAgent::ArmProcess(unavailable) => {
                self.events.push(self.probed(Place::Process, unavailable).map(Event::Answered).boxed());
            }
            ToAgent::Drain => {
                let drained = self.armed.take();
                if let Some(laptop) = &drained {
                    self.agent.desk.disarm(laptop);
                }
                let drained = async move {
                    if let Some(laptop) = drained {
                        laptop.drained().await;
                    }
                    Event::Drained
                };
                self.events.push(drained.boxed());
            }
        }
        Ok(())
    }

    /// Whether requests may go to `place`: nobody else has them, and the laptop answers.
    fn probed(
        &self,
        place: Place,
        unavailable: Unavailable,
    ) -> impl Future<Output = Result<(Place, Unavailable), String>> + Send + use<> {
        let held = self.agent.desk.may_arm(self.number).map_err(|held| held.to_string());
        let connection = self.connection.clone();
        async move {
            held?;
            probe(&connection).await.map(|()| (place, unavailable))
        }
    }

    async fn happened(&mut self, send: &mut SendHalf, event: Event) -> Result<(), SessionError> {
        let message = match event {
            Event::Probed(probed) => ToLaptop::OriginalsProbed(probed),
            Event::Drained => {
                self.count(send).await?;
                ToLaptop::Drained
            }
            Event::Answered(answered) => {
                match answered.and_then(|(place, unavailable)| self.arm(place, unavailable)) {
                    Ok(()) => ToLaptop::Armed,
                    Err(why) => ToLaptop::ArmFailed(why),
                }
            }
        };
        tell(send, &message).await
    }

    fn arm(&mut self, place: Place, unavailable: Unavailable) -> Result<(), String> {
        if self.agent.leaving() {
            return Err("the agent is ending".to_owned());
        }
        let laptop = Laptop::new(self.number, place, unavailable);
        self.agent.desk.arm(Arc::clone(&laptop)).map_err(|held| held.to_string())?;
        self.armed = Some(laptop);
        self.agent.ready.arm();
        info!(session = self.number, "armed");
        Ok(())
    }

    async fn count(&mut self, send: &mut SendHalf) -> Result<(), SessionError> {
        let open = self.armed.as_ref().map_or(0, |laptop| laptop.open());
        let counters = self.agent.counts.snapshot(open, self.agent.budget.evicted());
        if counters != self.told {
            self.told = counters;
            tell(send, &ToLaptop::Counters(counters)).await?;
        }
        Ok(())
    }
}

async fn tell(send: &mut SendHalf, message: &ToLaptop) -> Result<(), SessionError> {
    let sent = send.message(message, MAX_MESSAGE);
    Ok(time::timeout(WRITE, sent).await.map_err(|_| SessionError::Blocked)??)
}

/// Asks the laptop end itself to answer over a new stream, as requests will use.
async fn probe(connection: &Connection) -> Result<(), String> {
    let answer = async {
        let mut flow =
            connection.open(&Open::Probe, Priority::Flow).await.map_err(|error| error.to_string())?;
        let reply = flow.recv.message::<Reply>(MAX_OPEN).await.map_err(|error| error.to_string())?;
        flow.send.finish();
        match reply {
            Some(Reply::Accepted) => Ok(()),
            other => Err(format!("the probe was answered with {other:?}")),
        }
    };
    time::timeout(PROBE, answer)
        .await
        .unwrap_or_else(|_| Err("the probe was not answered in time".to_owned()))
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
