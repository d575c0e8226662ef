//! Sessions come and go: each socket that appears is followed until it ends, and what it tells goes into the feed.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time;
use tui::feed::{By, Feed, Source, Update};
use tunnel::status::{News, Phase, Session};
use tunnel::tasks::Tasks;

use crate::session::inspect::told::{Query, Told};
use crate::session::socket::{self, Behind, Follow, Requests};

/// Between two looks for sessions.
const LOOK: Duration = Duration::from_millis(500);

/// Follows all sessions of this user, for ever.
pub(super) async fn run(feed: Feed) {
    let tasks = Tasks::default();
    let mut known = BTreeSet::new();
    let mut told = false;
    loop {
        match socket::paths() {
            Ok(paths) => {
                for path in paths.difference(&known) {
                    tasks.spawn_until_stopped(session(path.clone(), feed.clone()));
                }
                known = paths;
            }
            Err(error) if !told => {
                told = true;
                let lines = vec!["cannot look for sessions".into(), error.to_string()];
                feed.put(Update::Answer(tui::feed::Answer::Failed(lines)));
            }
            Err(_) => {}
        }
        time::sleep(LOOK).await;
    }
}

/// Follows one session to its end.
async fn session(path: PathBuf, feed: Feed) {
    let mut last = None;
    loop {
        told(&path, &feed, &mut last).await;
        let behind = socket::behind(&path).await;
        if behind == Behind::Session {
            // It has hung up, and is still there.
            time::sleep(LOOK).await;
            continue;
        }
        if let Some(last) = last {
            feed.put(over(&last, behind));
        }
        return;
    }
}

/// How a session is over whose process is not there any more.
fn over(last: &Session, behind: Behind) -> Update {
    let session = last.id.clone();
    if behind == Behind::Dead && last.phase != Phase::Leaving {
        return Update::Lost { session, why: format!("process {} is gone", last.pid) };
    }
    Update::Ended { session }
}

/// Hands on what a session tells until it says nothing more; `last` is its newest state then.
async fn told(path: &Path, feed: &Feed, last: &mut Option<Box<Session>>) {
    let Ok(mut news) = Follow::ask(path).await else { return };
    let Ok(Some(News::Session(first))) = news.next().await else { return };
    let id = first.id.clone();
    if last.replace(first.clone()).is_some() {
        feed.put(Update::Anew { session: id.clone() });
    }
    feed.put(Update::Session(first));
    let telling = async {
        loop {
            match news.next().await {
                Ok(Some(News::Session(session))) => {
                    *last = Some(session.clone());
                    feed.put(Update::Session(session));
                }
                Ok(Some(news)) => feed.put(update(&id, news)),
                Ok(None) | Err(_) => return,
            }
        }
    };
    tokio::join!(exchanges(path, &id, feed), telling);
}

fn update(id: &str, news: News) -> Update {
    let session = id.to_owned();
    match news {
        News::Session(session) => Update::Session(session),
        News::Event(event) => Update::Event { session, by: By::Devbridge, event },
        News::Said(line) => Update::Line { session, source: Source::Process, pod: None, line },
        News::Network(network) => Update::Network { session, network: Box::new(network) },
        News::Save(save) => Update::Save { session, save },
        News::Missed(count) => Update::Missed { session, count },
    }
}

/// What passes through a session, until it ends.
async fn exchanges(path: &Path, id: &str, feed: &Feed) {
    let follows = async {
        let mut requests = Requests::ask(path, Query { follow: true, ..Query::default() }).await?;
        while let Some(told) = requests.next().await? {
            let session = id.to_owned();
            match told {
                Told::Exchange(exchange) => {
                    feed.put(Update::Exchange { session, exchange: exchange.into() });
                }
                Told::Now { dropped } => feed.put(Update::Forgotten { session, up_to: dropped }),
                Told::Filter(_) => {}
            }
        }
        io::Result::Ok(())
    };
    // It ends with the session, which is told by other means.
    let _ = follows.await;
}
