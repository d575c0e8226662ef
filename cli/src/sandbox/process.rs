//! The command in the sandbox, as its owner sees it.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::control::{Exit, Order};

/// Orders that wait for the supervisor.
pub(super) const ORDERS: usize = 16;

/// The command in the sandbox. Dropping it ends the sandbox: all processes inside get SIGTERM, and SIGKILL three
/// seconds later.
///
/// The command runs in devbridge's own session and process group, as a shell script would run it. So it reads the
/// terminal, Ctrl-C and Ctrl-Z reach it (once, from the terminal, together with devbridge), and neither the
/// terminal's foreground group has to be switched to and fro nor do pipelines around devbridge break.
#[derive(Debug)]
pub struct Process {
    pub(super) run: watch::Receiver<Run>,
    pub(super) listening: watch::Receiver<Vec<u16>>,
    /// process handle --orders--> supervisor
    pub(super) orders: mpsc::Sender<Order>,
    /// The link's task; ends with this handle.
    pub(super) link: JoinSet<()>,
}

/// The command's life so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pid: u32,
    /// None while it runs.
    pub(super) exit: Option<Exit>,
    /// How often it was started, or tried to be.
    starts: u32,
}

/// Starts the command again, as long as its [`Process`] is there.
#[derive(Debug, Clone)]
pub struct Starter {
    run: watch::Receiver<Run>,
    orders: mpsc::WeakSender<Order>,
}

impl Run {
    pub(super) const fn new(pid: u32) -> Self {
        Self { pid, exit: None, starts: 1 }
    }

    pub(super) fn started(&mut self, pid: u32) {
        *self = Self { pid, exit: None, starts: self.starts.wrapping_add(1) };
    }

    pub(super) fn not_started(&mut self, errno: i32) {
        self.exit = Some(Exit::NotStarted(errno));
        self.starts = self.starts.wrapping_add(1);
    }
}

impl Starter {
    /// Ends all that runs inside, after `grace` by force, and starts the command anew: same arguments, environment, network.
    /// Its process id, or why it could not be started. Cancelled, the restart goes on.
    pub async fn restart(&self, grace: Duration) -> Result<u32, Exit> {
        let mut run = self.run.clone();
        let before = run.borrow_and_update().starts;
        let orders = self.orders.upgrade().ok_or(Exit::Lost)?;
        let millis = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        orders.send(Order::Restart(millis)).await.map_err(|_| Exit::Lost)?;
        // Not kept: the sandbox ends when nobody holds one but we.
        drop(orders);
        let run = run.wait_for(|run| run.starts != before).await.map_err(|_| Exit::Lost)?;
        match run.exit {
            Some(exit @ Exit::NotStarted(_)) => Err(exit),
            _ => Ok(run.pid),
        }
    }

    /// Waits until the command has ended. Cancel safe.
    pub async fn ended(&self) -> Exit {
        ended(self.run.clone()).await
    }

    /// How the command ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.run.borrow().exit
    }
}

async fn ended(mut run: watch::Receiver<Run>) -> Exit {
    match run.wait_for(|run| run.exit.is_some()).await {
        Ok(run) => run.exit.unwrap_or(Exit::Lost),
        Err(_) => Exit::Lost,
    }
}

impl Process {
    /// The command's process id, valid on the laptop outside the sandbox too.
    pub fn pid(&self) -> u32 {
        self.run.borrow().pid
    }

    /// What starts it again.
    pub fn starter(&self) -> Starter {
        Starter { run: self.run.clone(), orders: self.orders.downgrade() }
    }

    /// Waits until the command has ended; afterwards answers at once. What it has left running inside goes on until
    /// the sandbox ends. Cancel safe.
    pub async fn wait(&self) -> Exit {
        ended(self.run.clone()).await
    }

    /// How the command ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.run.borrow().exit
    }

    /// Sends a signal to every process in the command's process group that runs in the sandbox, as a terminal would:
    /// `npm run dev` starts a shell that starts a server, and shells pass no signals on. Does nothing when the command
    /// has ended. Cancel safe.
    pub async fn signal(&self, signal: Signal) {
        // Refused only when the sandbox has ended, and all processes with it.
        let _ = self.orders.send(Order::Signal(signal as i32)).await;
    }

    /// Sends a signal that devbridge has received on to the command, unless it was sent to the whole process group
    /// (Ctrl-C, a service manager), so that the command has it already. For this to hold, call it for each SIGINT,
    /// SIGTERM, SIGHUP and SIGQUIT that devbridge receives and that the command shall have. Cancel safe.
    pub async fn pass_on(&self, signal: Signal) {
        let _ = self.orders.send(Order::PassOn(signal as i32)).await;
    }

    /// TCP ports on which processes inside listen, on whichever address; sorted, 1024 at most, renewed every 100 ms.
    /// A value may be missed when another follows at once.
    pub fn listening(&self) -> watch::Receiver<Vec<u16>> {
        self.listening.clone()
    }

    /// Ends the sandbox as dropping does, and waits until nothing of it is left: 3 s where a process ignores SIGTERM,
    /// 8 s in the worst case. Not cancel safe in that dropping the future hands the rest to the supervisor.
    pub async fn end(self) -> Exit {
        let Self { run, orders, mut link, .. } = self;
        drop(orders);
        while link.join_next().await.is_some() {}
        let ended = run.borrow().exit;
        ended.unwrap_or(Exit::Lost)
    }
}
