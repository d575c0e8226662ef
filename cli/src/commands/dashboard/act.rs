//! What the user wants done from the screen: each a task, none waits for another.

mod clipboard;
mod requests;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tui::Acts;
use tui::action::Action;
use tui::feed::{Answer, Feed, Source, Update};
use tunnel::tasks::Tasks;

use super::{events, logs};
use crate::args::ClusterArgs;
use crate::cluster::Cluster;
use crate::commands::requests::session::Of;
use crate::commands::sync::verify;
use crate::error::Failure;
use crate::session::socket;

/// Actions that wait to begin.
const WAITING: usize = 64;
/// Under way at the same time; what follows logs or events stays under way.
const UNDER_WAY: usize = 64;

/// Hands actions to those who do them.
pub(super) struct Acting {
    actions: mpsc::Sender<Action>,
    doer: Doer,
    runtime: Handle,
}

/// Does them.
#[derive(Clone)]
struct Doer {
    feed: Feed,
    /// That of the command line, if it names one.
    kubeconfig: Option<PathBuf>,
}

impl Acting {
    /// What it does ends with `tasks`. To be called in the runtime.
    pub(super) fn begin(feed: Feed, kubeconfig: Option<PathBuf>, tasks: &Tasks) -> Self {
        let doer = Doer { feed, kubeconfig };
        let (actions, mut wanted) = mpsc::channel(WAITING);
        let doing = doer.clone();
        tasks.spawn_until_stopped(async move {
            let all = Tasks::default();
            let limit = Arc::new(Semaphore::new(UNDER_WAY));
            while let Some(action) = wanted.recv().await {
                let Ok(permit) = limit.clone().acquire_owned().await else { return };
                let doer = doing.clone();
                all.spawn_until_stopped(async move {
                    doer.answer(action).await;
                    drop(permit);
                });
            }
        });
        Self { actions, doer, runtime: Handle::current() }
    }
}

impl Acts for Acting {
    fn act(&mut self, action: Action) -> bool {
        self.actions.try_send(action).is_ok()
    }

    fn act_in_the_terminal(&mut self, action: Action) {
        // A thread of its own, not one of the runtime's.
        self.runtime.block_on(self.doer.answer(action));
    }
}

impl Doer {
    /// Does it, and puts what became of it into the feed.
    async fn answer(&self, action: Action) {
        match self.act(action).await {
            Ok(Some(answer)) => self.feed.put(Update::Answer(answer)),
            Ok(None) => {}
            Err(failure) => {
                let lines = failure.to_string().lines().map(str::to_owned).collect();
                self.feed.put(Update::Answer(Answer::Failed(lines)));
            }
        }
    }

    async fn act(&self, action: Action) -> Result<Option<Answer>, Failure> {
        Ok(match action {
            Action::Open { session, id, reveal } => {
                let exchange = Of::id(&session).await?.one(id, reveal).await?;
                Some(Answer::Opened { session, exchange: Arc::new(exchange), revealed: reveal })
            }
            Action::Replay { session, id, to } => Some(requests::replay(session, id, to).await?),
            Action::Edit { session, id } => Some(requests::edited(session, id).await?),
            Action::Export { session, ids, path } => Some(requests::export(&session, &ids, &path).await?),
            Action::Clear { session } => {
                let of = Of::id(&session).await?;
                let up_to = socket::clear(&of.socket).await.map_err(|error| of.silent(error))?;
                self.feed.put(Update::Forgotten { session, up_to });
                Some(Answer::Done("all requests are forgotten".into()))
            }
            Action::Copy { text } => {
                clipboard::put(text).await;
                None
            }
            Action::Follow { source: Source::Process, .. } => None,
            Action::Follow { session, source } => {
                let of = Of::id(&session).await?;
                let cluster = self.cluster(&of).await?;
                logs::follow(&self.feed, &cluster, &of.session, source).await?;
                None
            }
            Action::Events { session } => {
                let of = Of::id(&session).await?;
                let cluster = self.cluster(&of).await?;
                events::follow(&self.feed, &cluster, &of.session).await?;
                None
            }
            Action::Verify { session, repair } => {
                let of = Of::id(&session).await?;
                let verified = socket::verify(&of.socket, repair).await.map_err(|error| of.silent(error))?;
                let lines = verified.unwrap_or_default().iter().flat_map(verify::lines).collect();
                Some(Answer::Told { title: "compared".into(), lines })
            }
            Action::Leave { session } => {
                let of = Of::id(&session).await?;
                let target = &of.session.target;
                match socket::leave(&of.socket).await.map_err(|error| of.silent(error))? {
                    Ok(()) => Some(Answer::Done(format!("left {target}; nothing is left behind"))),
                    Err(left) => Some(Answer::Failed(left.lines().map(str::to_owned).collect())),
                }
            }
        })
    }

    /// The cluster that the session is in, as this user.
    async fn cluster(&self, of: &Of) -> Result<Cluster, Failure> {
        Cluster::connect(&ClusterArgs {
            namespace: Some(of.session.namespace.clone()),
            context: Some(of.session.context.clone()),
            kubeconfig: self.kubeconfig.clone(),
            yes: false,
        })
        .await
    }
}
