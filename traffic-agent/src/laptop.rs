//! The laptop that takes requests, as the requests path sees it.
//!
//! One handle per arming. It says from moment to moment whether requests may go there, and counts what is open,
//! so that draining knows its end. The control session drives it; nobody here reads from the tunnel.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{self, Instant},
};
use tunnel::{Connection, LinkState, message::Unavailable};

/// How long a laptop may be silent (no ping, no carrier) before requests go to originals. Nobody shall wait for more than
/// 2 s, and some of that is an original's answer.
pub(crate) const SILENCE: Duration = Duration::from_millis(1750);

/// How old a request may become for which a restart of the process waits: whoever answers it would be ended in the middle.
/// What is older is a stream, a poll or hangs, and gets what its process gives it within its grace.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Whether requests may go to a laptop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Yes.
    Up,
    /// Its carrier is gone, but not for long: wait, the next one may be there in a moment.
    Wavering,
    /// Its process is being started anew.
    Paused,
    /// No, until it is heard again.
    Silent,
    /// No, for good: it is leaving or gone.
    Leaving,
}

/// Where the requests of a session go.
#[derive(Debug)]
pub(crate) enum Place {
    /// To the laptop's process, through the tunnel.
    Laptop(Connection),
    /// To the process in this pod that runs the laptop's code. The laptop may be silent meanwhile.
    Process,
}

/// An armed laptop.
#[derive(Debug)]
pub(crate) struct Laptop {
    session: u64,
    /// What callers get while it does not serve.
    unavailable: Unavailable,
    place: Place,
    /// What the link and the pings say, and how many pauses there are.
    judged: Mutex<(Condition, usize)>,
    /// What follows from both.
    condition: watch::Sender<Condition>,
    flows: watch::Sender<Flows>,
}

/// How many flows are open to a laptop.
#[derive(Debug, Clone, Copy, Default)]
struct Flows {
    open: u64,
    /// Of these, those for which a pause does not wait.
    lasting: u64,
}

impl Laptop {
    pub(crate) fn new(session: u64, place: Place, unavailable: Unavailable) -> Arc<Self> {
        let (condition, flows) = (watch::Sender::new(Condition::Up), watch::Sender::new(Flows::default()));
        let judged = Mutex::new((Condition::Up, 0));
        Arc::new(Self { session, unavailable, place, judged, condition, flows })
    }

    pub(crate) fn condition(&self) -> Condition {
        *self.condition.borrow()
    }

    /// Whether it has to be heard for requests to go on.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.place, Place::Laptop(_))
    }

    /// Changes what is judged; [`Condition::Leaving`] is final. Whether it is another one.
    pub(crate) fn set(&self, condition: Condition) -> bool {
        let before = self.judged().0;
        let changes = before != condition && before != Condition::Leaving;
        if changes {
            self.publish(|(judged, _)| *judged = condition);
        }
        changes
    }

    /// No requests go there until what this gives is dropped.
    fn pause(self: &Arc<Self>) -> Pause {
        self.publish(|(_, pauses)| *pauses += 1);
        Pause { laptop: Arc::clone(self) }
    }

    fn publish(&self, change: impl FnOnce(&mut (Condition, usize))) {
        let mut judged = self.judged();
        change(&mut judged);
        let condition = match *judged {
            (Condition::Up | Condition::Wavering, 1..) => Condition::Paused,
            (condition, _) => condition,
        };
        // Under the lock, so that the newest is the last.
        self.condition.send_if_modified(|now| std::mem::replace(now, condition) != condition);
    }

    fn judged(&self) -> MutexGuard<'_, (Condition, usize)> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Flows that are open to it.
    pub(crate) fn open(&self) -> u64 {
        self.flows.borrow().open
    }

    /// Waits until no flow to it is open. Cancel safe.
    pub(crate) async fn drained(&self) {
        // The sender is in `self`.
        let _ = self.flows.subscribe().wait_for(|flows| flows.open == 0).await;
    }

    /// A place for one flow, unless the laptop takes none now.
    fn enter(self: &Arc<Self>) -> Option<Seat> {
        self.flows.send_modify(|flows| flows.open += 1);
        let seat = Seat { condition: self.condition.subscribe(), laptop: Arc::clone(self), lasts: false };
        // After counting, so that whoever sets `Leaving` and then looks at the count sees this flow.
        (seat.condition() == Condition::Up).then_some(seat)
    }
}

/// Its process is being started anew; until dropped.
#[derive(Debug)]
pub(crate) struct Pause {
    laptop: Arc<Laptop>,
}

impl Pause {
    /// Waits until no request is under way; what is no exchange of HTTP/1.x, and what has lasted long already, is not waited
    /// for. Takes [`PATIENCE`] and the time of an offer at most. Cancel safe.
    pub(crate) async fn drained(&self) {
        // The sender is in `self.laptop`.
        let _ = self.laptop.flows.subscribe().wait_for(|flows| flows.open <= flows.lasting).await;
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.laptop.publish(|(_, pauses)| *pauses = pauses.saturating_sub(1));
    }
}

/// One flow's place at a laptop; it counts until dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    laptop: Arc<Laptop>,
    condition: watch::Receiver<Condition>,
    lasts: bool,
}

impl Seat {
    pub(crate) fn session(&self) -> u64 {
        self.laptop.session
    }

    pub(crate) fn place(&self) -> &Place {
        &self.laptop.place
    }

    pub(crate) fn condition(&self) -> Condition {
        self.laptop.condition()
    }

    /// Waits until the laptop is silent. Cancel safe.
    pub(crate) async fn silent(&mut self) {
        // The sender is in `self.laptop`.
        let _ = self.condition.wait_for(|condition| *condition == Condition::Silent).await;
    }

    /// Whether a pause waits for it no more: nobody can tell where its requests end, or the one under way lasts.
    pub(crate) fn set_lasts(&mut self, lasts: bool) {
        if std::mem::replace(&mut self.lasts, lasts) != lasts {
            self.laptop.flows.send_modify(|flows| {
                flows.lasting = if lasts { flows.lasting + 1 } else { flows.lasting.saturating_sub(1) };
            });
        }
    }

    /// Waits for the next change of the condition. Cancel safe.
    pub(crate) async fn changed(&mut self) {
        // The sender is in `self.laptop`.
        let _ = self.condition.changed().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.laptop.flows.send_modify(|flows| {
            flows.open = flows.open.saturating_sub(1);
            flows.lasting = flows.lasting.saturating_sub(u64::from(self.lasts));
        });
    }
}

/// Which laptop is armed, if any.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Option<Arc<Laptop>>>);

/// Another session takes the requests.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("held")]
pub(crate) struct Held;

impl Desk {
    /// Whether `session` may arm now: nobody else is armed and alive.
    ///
    /// # Errors
    /// [`Held`].
    pub(crate) fn may_arm(&self, session: u64) -> Result<(), Held> {
        Self::check(&self.current(), session)
    }

    /// Puts a laptop in charge; one that was there before drains.
    ///
    /// # Errors
    /// [`Held`].
    pub(crate) fn arm(&self, laptop: Arc<Laptop>) -> Result<(), Held> {
        let mut current = self.current();
        Self::check(&current, laptop.session)?;
        if let Some(before) = current.replace(laptop) {
            before.set(Condition::Leaving);
        }
        Ok(())
    }

    /// Takes `laptop` out of charge: no new requests, the ones under way may end.
    pub(crate) fn disarm(&self, laptop: &Arc<Laptop>) {
        laptop.set(Condition::Leaving);
        self.current().take_if(|current| Arc::ptr_eq(current, laptop));
    }

    /// Takes whoever is in charge out of it.
    pub(crate) fn close(&self) {
        if let Some(laptop) = self.current().take() {
            laptop.set(Condition::Leaving);
        }
    }

    /// Pauses the laptop of `session`, if that is in charge.
    pub(crate) fn pause(&self, session: u64) -> Option<Pause> {
        self.current().as_ref().filter(|laptop| laptop.session == session).map(Laptop::pause)
    }

    /// The session to which a request would go at once.
    pub(crate) fn serving(&self) -> Option<u64> {
        let current = self.current();
        current.as_ref().filter(|laptop| laptop.condition() == Condition::Up).map(|laptop| laptop.session)
    }

    /// What callers get while the laptop in charge does not serve; `None` when there is none.
    pub(crate) fn unavailable(&self) -> Option<Unavailable> {
        self.current().as_ref().map(|laptop| laptop.unavailable)
    }

    /// A place at the laptop for a request that came at `since`; `None` when it takes none now. Waits while the laptop
    /// wavers, and while it is paused if callers are held, [`SILENCE`] at most. Cancel safe.
    pub(crate) async fn choose(&self, since: Instant) -> Option<Seat> {
        let deadline = Instant::now() + SILENCE;
        loop {
            let laptop = self.current().clone()?;
            let mut condition = laptop.condition.subscribe();
            let now = *condition.borrow_and_update();
            match now {
                Condition::Up => {
                    if let Some(seat) = laptop.enter() {
                        return Some(seat);
                    }
                }
                Condition::Wavering => {
                    if time::timeout_at(deadline, condition.changed()).await.is_err() {
                        return None;
                    }
                }
                Condition::Paused => {
                    let Unavailable::Hold { millis } = laptop.unavailable else { return None };
                    let held = since + Duration::from_millis(millis.into());
                    if time::timeout_at(deadline.min(held), condition.changed()).await.is_err() {
                        return None;
                    }
                }
                Condition::Silent | Condition::Leaving => return None,
            }
        }
    }

    fn check(current: &Option<Arc<Laptop>>, session: u64) -> Result<(), Held> {
        match current {
            Some(laptop) if laptop.session != session => match laptop.condition() {
                Condition::Up | Condition::Paused => Err(Held),
                Condition::Wavering | Condition::Silent | Condition::Leaving => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Laptop>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The condition that follows from the last ping and the link, and when to look again.
pub(crate) fn judge(now: Instant, heard: Instant, link: LinkState) -> (Condition, Option<Instant>) {
    let lost = match link {
        LinkState::Up => None,
        LinkState::Lost { since } => Some(since + SILENCE),
    };
    let silent = heard + SILENCE;
    let deadline = lost.map_or(silent, |lost| lost.min(silent));
    if now >= deadline {
        (Condition::Silent, None)
    } else if lost.is_some() {
        (Condition::Wavering, Some(deadline))
    } else {
        (Condition::Up, Some(deadline))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_laptop_is_silent_some_time_after_its_last_ping() {
        let heard = Instant::now();
        let at = |millis| judge(heard + Duration::from_millis(millis), heard, LinkState::Up).0;
        assert_eq!([at(0), at(1749), at(1750)], [Condition::Up, Condition::Up, Condition::Silent]);
    }

    #[test]
    fn a_laptop_wavers_while_its_link_is_lost_for_less_than_that() {
        let since = Instant::now();
        let heard = since + Duration::from_millis(500);
        let at = |millis| judge(since + Duration::from_millis(millis), heard, LinkState::Lost { since });
        assert_eq!(at(1000), (Condition::Wavering, Some(since + SILENCE)));
        assert_eq!(at(1750), (Condition::Silent, None));
    }
}
