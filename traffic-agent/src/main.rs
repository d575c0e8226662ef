//! The agent's process: sockets from the bootstrap, settings from the pod, end on SIGTERM. With the argument `keeper`:
//! the keeper's; with `seed FROM TO`: a copy of what the image has.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitCode,
};

use tokio::{
    net::TcpListener,
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use tracing::{error, info};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{
        self,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};
use traffic_agent::{
    Grace, Listeners,
    config::{self, Config},
    descriptors, inherited, keeper,
    nameservers::Nameservers,
    run,
    seed::seed,
};

/// Threads that carry bytes. The agent shares the target's CPU share; more threads would cost memory, not give
/// speed.
const WORKERS: usize = 2;
const RESOLV_CONF: &str = "/etc/resolv.conf";

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let variables: HashMap<_, _> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    match start(&variables) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut causes = String::new();
            let mut cause = error.source();
            while let Some(error) = cause {
                causes.push_str(&format!(": {error}"));
                cause = error.source();
            }
            error!("{error}{causes}");
            ExitCode::FAILURE
        }
    }
}

fn start(variables: &HashMap<String, String>) -> Result<(), Failure> {
    let filter = variables.get(config::LOG).map_or("info", String::as_str);
    // Not the filter by spans: its regular expressions are a tenth of the program.
    let filter: Targets = filter.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let lines = fmt::layer().with_timer(Named).with_writer(std::io::stderr).with_ansi(false);
    tracing_subscriber::registry().with(lines).with(filter).init();
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(word) if word == "keeper" => return start_keeper(variables),
        Some(word) if word == "seed" => {
            let (Some(from), Some(to)) = (args.next(), args.next()) else {
                return Err("seed FROM TO".into());
            };
            return Ok(seed(Path::new(&from), Path::new(&to))?);
        }
        _ => {}
    }
    let config = Config::read(variables)?;
    // Before anything else opens a descriptor.
    let inherited = inherited::listeners(&config.listen)?;
    descriptors::raise();
    let keys = config.read_keys()?;
    let nameservers = Nameservers::parse(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default());

    Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?.block_on(async {
        let shutdown = shutdown()?;
        let requests = inherited
            .into_iter()
            .map(|(port, listener)| Ok((port, TcpListener::from_std(listener)?)))
            .collect::<std::io::Result<_>>()?;
        let control = TcpListener::bind((Ipv4Addr::LOCALHOST, config.control_port)).await?;
        let health_addrs: Vec<_> =
            config.pod_ips.iter().map(|ip| SocketAddr::new(*ip, config.health_port)).take(1).collect();
        let health = TcpListener::bind(&health_addrs[..]).await?;
        info!(release = tunnel::version::RELEASE, ports = ?config.listen, "agent of devbridge");
        let listeners = Listeners { requests, control, health };
        run(&config, keys, nameservers, listeners, Grace::default(), shutdown).await?;
        Ok(())
    })
}

/// The time behind a word that says whose line it is: the code of a synced target writes to the same log.
struct Named;

impl FormatTime for Named {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        writer.write_str("devbridge ")?;
        SystemTime.format_time(writer)
    }
}

/// One thread: it carries nobody's bytes.
fn start_keeper(variables: &HashMap<String, String>) -> Result<(), Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        keeper::run(variables, shutdown()?).await?;
        Ok(())
    })
}

/// Resolves on the first SIGTERM or SIGINT from now on.
fn shutdown() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    })
}
