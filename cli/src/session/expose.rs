//! Ports on which the process listens appear on the laptop's own 127.0.0.1, as if it ran there without a sandbox:
//! browsers and debuggers find it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tunnel::tasks::Tasks;

use crate::output::Output;
use crate::sandbox::Dialer;

/// Opens and closes listeners on 127.0.0.1 as the process does; `listening` is what the sandbox sees.
pub async fn run(mut listening: watch::Receiver<Vec<u16>>, dialer: Dialer, output: Output) {
    let mut open: BTreeMap<u16, Tasks> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    loop {
        let ports = listening.borrow_and_update().clone();
        open.retain(|port, _| ports.contains(port));
        taken.retain(|port| ports.contains(port));
        for port in ports {
            if open.contains_key(&port) || taken.contains(&port) {
                continue;
            }
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(listener) => {
                    let tasks = Tasks::default();
                    tasks.spawn_until_stopped(accept(listener, port, dialer.clone()));
                    open.insert(port, tasks);
                }
                Err(error) => {
                    taken.insert(port);
                    output.warn(&format!(
                        "the process listens on {port}, but 127.0.0.1:{port} of this laptop is not free for it ({error}); \
                         requests from the cluster reach it all the same"
                    ));
                }
            }
        }
        if listening.changed().await.is_err() {
            return;
        }
    }
}

async fn accept(listener: TcpListener, port: u16, dialer: Dialer) {
    let flows = Tasks::default();
    loop {
        let Ok((laptop, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let dialer = dialer.clone();
        flows.spawn_until_stopped(async move {
            if let Ok(process) = dialer.dial(port).await {
                // Either side may end it in any way; there is nobody else to tell.
                let _ = join(laptop, process).await;
            }
        });
    }
}

async fn join(mut laptop: TcpStream, mut process: TcpStream) -> std::io::Result<()> {
    laptop.set_nodelay(true)?;
    process.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut laptop, &mut process).await.map(drop)
}
