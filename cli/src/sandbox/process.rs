//! The command in the sandbox, as its owner sees it.

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
    pub(super) pid: u32,
    pub(super) exit: watch::Receiver<Option<Exit>>,
    pub(super) listening: watch::Receiver<Vec<u16>>,
    /// process handle --orders--> supervisor
    pub(super) orders: mpsc::Sender<Order>,
    /// The link's task; ends with this handle.
    pub(super) link: JoinSet<()>,
}

impl Process {
    /// The command's process id, valid on the laptop outside the sandbox too.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the command has ended; afterwards answers at once. What it has left running inside goes on until
    /// the sandbox ends. Cancel safe.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::Lost),
            Err(_) => Exit::Lost,
        }
    }

    /// How the command ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
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
        let Self { exit, orders, mut link, .. } = self;
        drop(orders);
        while link.join_next().await.is_some() {}
        let ended = *exit.borrow();
        ended.unwrap_or(Exit::Lost)
    }
}
