//! The conversation with the agent about the session itself: hello, arm, drain, and pings that prove to
//! both ends that the other one is there.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{self, Instant, MissedTickBehavior};
use tunnel::message::{MAX_MESSAGE, Open, Original, Probed, ToAgent, ToLaptop, Unavailable};
use tunnel::status::Link;
use tunnel::{Connection, Flow, Priority, version};

use super::status::Board;

/// Between two pings. The agent calls the laptop gone after 1.75 s in which nothing came: three of these and a delay.
const PING: Duration = Duration::from_millis(500);
/// No answer for so long means that the way to the agent is lost.
const SILENT: Duration = Duration::from_secs(3);
/// Longest wait for an answer to hello, a probe of originals, or arming.
const ANSWER: Duration = Duration::from_secs(15);
/// Messages that may wait in either direction.
const QUEUE: usize = 64;

/// This end of the conversation.
pub struct Control {
    /// session --orders--> [`converse`]
    to_agent: mpsc::Sender<ToAgent>,
    /// [`converse`] --answers--> session
    answers: mpsc::Receiver<ToLaptop>,
    unavailable: Unavailable,
}

/// Why the agent did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The stream ended.
    #[error("the connection to the agent ended")]
    Ended,
    /// No answer.
    #[error("the agent did not answer within {} s", ANSWER.as_secs())]
    Silent,
    /// Another version.
    #[error("the agent speaks protocol {agent} ({release}), this devbridge {}", version::PROTOCOL)]
    Version {
        /// The agent's protocol.
        agent: u16,
        /// The agent's release.
        release: String,
    },
    /// It refused to take requests.
    #[error("the agent does not take requests: {0}")]
    ArmFailed(String),
}

impl Control {
    /// Opens the control stream and says hello. The returned future is the conversation: the caller runs it as a
    /// task for as long as the session lives.
    ///
    /// # Errors
    /// The stream can't be opened, or the agent speaks another protocol.
    pub async fn open(
        connection: &Connection,
        board: Board,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), ControlError> {
        let flow =
            connection.open(&Open::Control, Priority::Control).await.map_err(|_| ControlError::Ended)?;
        let (to_agent, orders) = mpsc::channel(QUEUE);
        let (answers_tx, answers) = mpsc::channel(QUEUE);
        let hello = ToAgent::Hello { protocol: version::PROTOCOL, release: version::RELEASE.into() };
        to_agent.try_send(hello).map_err(|_| ControlError::Ended)?;
        let control = Self { to_agent, answers, unavailable: board.read().unavailable };
        Ok((control, converse(flow, orders, answers_tx, board)))
    }

    /// Waits for the agent's welcome.
    ///
    /// # Errors
    /// Another protocol version, or no answer.
    pub async fn welcome(&mut self) -> Result<(), ControlError> {
        self.answer(|answer| match answer {
            ToLaptop::Welcome { protocol, .. } if protocol == version::PROTOCOL => Some(Ok(())),
            ToLaptop::Welcome { protocol, release, .. } => {
                Some(Err(ControlError::Version { agent: protocol, release }))
            }
            _ => None,
        })
        .await?
    }

    /// A handle that tells the agent about originals; used beside this one.
    pub fn sender(&self) -> mpsc::Sender<ToAgent> {
        self.to_agent.clone()
    }

    /// Gives the agent this list and has each of its entries dialled once.
    ///
    /// # Errors
    /// No answer.
    pub async fn probe_originals(&mut self, originals: Vec<Original>) -> Result<Vec<Probed>, ControlError> {
        self.tell(ToAgent::Originals(originals)).await?;
        self.tell(ToAgent::ProbeOriginals).await?;
        self.answer(|answer| match answer {
            ToLaptop::OriginalsProbed(probed) => Some(probed),
            _ => None,
        })
        .await
    }

    /// Lets the agent probe the data path and take requests for this laptop, or for the process in its pod.
    ///
    /// # Errors
    /// The probe failed; requests keep going to originals.
    pub async fn arm(&mut self, in_the_pod: bool) -> Result<(), ControlError> {
        let arm = if in_the_pod { ToAgent::ArmProcess } else { ToAgent::Arm };
        self.tell(arm(self.unavailable)).await?;
        self.answer(|answer| match answer {
            ToLaptop::Armed => Some(Ok(())),
            ToLaptop::ArmFailed(why) => Some(Err(ControlError::ArmFailed(why))),
            _ => None,
        })
        .await?
    }

    /// Has the agent move everything to the originals; true when no flow to this laptop was left within `limit`.
    pub async fn drain(&mut self, limit: Duration) -> bool {
        let draining = async {
            self.tell(ToAgent::Drain).await?;
            self.answer(|answer| matches!(answer, ToLaptop::Drained).then_some(())).await
        };
        matches!(time::timeout(limit, draining).await, Ok(Ok(())))
    }

    async fn tell(&self, order: ToAgent) -> Result<(), ControlError> {
        self.to_agent.send(order).await.map_err(|_| ControlError::Ended)
    }

    /// The first answer that `wanted` takes; others are out of date and dropped.
    async fn answer<T>(&mut self, mut wanted: impl FnMut(ToLaptop) -> Option<T>) -> Result<T, ControlError> {
        let deadline = Instant::now() + ANSWER;
        loop {
            match time::timeout_at(deadline, self.answers.recv()).await {
                Err(_) => return Err(ControlError::Silent),
                Ok(None) => return Err(ControlError::Ended),
                Ok(Some(answer)) => {
                    if let Some(found) = wanted(answer) {
                        return Ok(found);
                    }
                }
            }
        }
    }
}

/// Carries orders and answers until either end is gone.
async fn converse(
    flow: Flow,
    mut orders: mpsc::Receiver<ToAgent>,
    answers: mpsc::Sender<ToLaptop>,
    board: Board,
) {
    let Flow { mut send, mut recv } = flow;
    let (pongs_tx, mut pongs) = mpsc::channel(QUEUE);
    let hear_board = board.clone();
    let hear = async move {
        while let Ok(Some(message)) = recv.message::<ToLaptop>(MAX_MESSAGE).await {
            match message {
                ToLaptop::Pong(number) => drop(pongs_tx.try_send(number)),
                ToLaptop::Counters(counters) => hear_board.count(counters),
                answer => drop(answers.send(answer).await),
            }
        }
    };
    let speak = async move {
        let mut tick = time::interval(PING);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut number, mut sent_at, mut heard_at) = (0_u64, Instant::now(), Instant::now());
        loop {
            let order = tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => order,
                    None => return,
                },
                Some(answered) = pongs.recv() => {
                    heard_at = Instant::now();
                    if answered == number {
                        let round_trip_us = u64::try_from(sent_at.elapsed().as_micros()).unwrap_or(u64::MAX);
                        board.link(Link::Up { round_trip_us });
                    }
                    continue;
                }
                _ = tick.tick() => {
                    if heard_at.elapsed() > SILENT {
                        board.link(Link::Lost);
                    }
                    number += 1;
                    sent_at = Instant::now();
                    ToAgent::Ping(number)
                }
            };
            if send.message(&order, MAX_MESSAGE).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = hear => {}
        () = speak => {}
    }
}
