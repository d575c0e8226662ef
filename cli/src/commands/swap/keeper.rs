//! The keeper beside a session: made while it attaches, and released when it has been left.
//!
//! Nothing waits for it. What a session without one means if this laptop dies is said as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tokio::time::{self, Duration};
use tunnel::tasks::Tasks;

use crate::bundle::Bundle;
use crate::cluster::keeper::{self, KeeperError};
use crate::cluster::parts::Parts;
use crate::cluster::record::TTL;
use crate::cluster::target::Target;
use crate::error::Failure;
use crate::session::Context;

/// How long its pod may take to start, before that is said.
const READY: Duration = Duration::from_secs(60);
/// How long leaving waits for one that is being made; then it has to end by itself.
const MADE: Duration = Duration::from_secs(5);

/// A keeper that is being made, or is there.
pub(super) struct Beside {
    context: Context,
    making: Tasks,
    telling: Tasks,
    watches: Arc<AtomicBool>,
}

impl Beside {
    /// Begins; the session's record must be there.
    pub(super) fn start(
        context: &Context,
        target: &Target,
        bundle: &Bundle,
        parts: &Parts,
        session: &str,
    ) -> Self {
        let beside = Self {
            context: context.clone(),
            making: Tasks::default(),
            telling: Tasks::default(),
            watches: Arc::default(),
        };
        let watches = beside.watches.clone();
        let (context, target, bundle) = (context.clone(), target.clone(), bundle.clone());
        let (parts, session, telling) = (parts.clone(), session.to_owned(), beside.telling.clone());
        beside.making.spawn(async move {
            let image = keeper::image_of(&context.cluster, &target, &bundle).await;
            let made = keeper::ensure(&context.cluster, &image, &parts, &session).await;
            telling.spawn_until_stopped(async move { tell(&context, made.map(drop), &watches).await });
        });
        beside
    }

    /// Whether it was seen to be ready.
    pub(super) fn watches(&self) -> bool {
        self.watches.load(Relaxed)
    }

    /// The session is over: the keeper goes, unless others need it.
    pub(super) async fn end(self) {
        let _ = time::timeout(MADE, self.making.finished()).await;
        self.telling.stop(Duration::ZERO).await;
        if keeper::release(&self.context.cluster).await.is_err() {
            let line = format!("devbridge uninstall -n {}", self.context.cluster.namespace);
            self.context.output.warn(&format!("the keeper may be left; it ends by itself, or by: {line}"));
        }
    }
}

async fn tell(context: &Context, made: Result<(), KeeperError>, watches: &AtomicBool) {
    let (output, cluster) = (&context.output, &context.cluster);
    let ready = match made {
        Ok(()) => keeper::ready(cluster, READY).await.map_err(KeeperError::from),
        Err(error) => Err(error),
    };
    let why = match ready {
        Ok(true) => {
            watches.store(true, Relaxed);
            output.say(&format!(
                "keeper: watches; if this laptop dies, the originals serve directly after {} s, and all of this is removed \
                 after {} s",
                TTL.as_secs(),
                (TTL + tunnel::RESUME).as_secs()
            ));
            return;
        }
        Ok(false) => format!(
            "its pod is not ready (kubectl -n {} describe pods -l {})",
            cluster.namespace,
            keeper::KEEPER
        ),
        Err(KeeperError::Api(error)) => {
            let failure = Failure::from(error);
            format!("{}: {}", failure.what, failure.why.unwrap_or_default())
        }
        Err(error) => error.to_string(),
    };
    output.say(&format!("keeper: none, {why}"));
    output.say(&format!(
        "  if this laptop dies, the agent stays in the path and gives all requests to the originals; if its pod dies, too, \
         {} has no endpoint. Anybody can remove it: devbridge leave {} -n {ns}",
        context.board.read().services.join(", "),
        context.names.target,
        ns = cluster.namespace,
    ));
    output.say(&format!(
        "  who may create roles can install one for all: devbridge install -n {}",
        cluster.namespace
    ));
}
