//! The client of the API server, for commands that run for a day: it logs in again, and it leaves connections that are dead.
//!
//! **Logins end.** Tokens of clouds and of single sign-on last an hour. What was logged in with may say when it ends, or not;
//! and a login in another terminal may write the kubeconfig anew. So, when the API server answers 401, or a minute
//! before the end, the user's part of the kubeconfig is read again, its plugin is run again, and the request is sent
//! once more. The server stays the one that the command began with.
//!
//! **Connections die silently**: another Wi-Fi, a VPN, a lid that was closed. No system tells, and a request on such
//! a connection hangs for a quarter of an hour, a watch for ever. The tunnel notices within two seconds, because something
//! comes every half second there; so it says when to leave all connections ([`Upkeep::leave_connections`]): what
//! reads is asked again on new ones, watches end and begin anew.

mod answer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use jiff::Timestamp;
use kube::client::{AuthError, Body};
use kube::{Client, Config};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{self, Duration, Instant};
use tokio_util::sync::CancellationToken;
use tunnel::tasks::Tasks;

use self::answer::Answer;
use super::kubeconfig::{Source, invalid};
use super::plugin::log_in;
use crate::error::{Exit, Failure, chain};

/// Longest wait for an answer: admission webhooks may take 30 s.
const ANSWER: Duration = Duration::from_secs(35);
/// Bytes a second at which an upload (several of 1 MiB side by side) may go without being late.
const SLOWEST: u64 = 4 << 10;
/// A login may be slow, or open a browser: it is not tried again for so long after it gave nothing better, then for twice as long,
/// and so on.
const AGAIN: Duration = Duration::from_secs(5);
/// Up to this: how long a session may take to notice that its user has logged in.
const RARELY: Duration = Duration::from_secs(60);
/// Longest that a request waits for a login.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many seconds before their end credentials are renewed; clocks differ.
const EARLY: i64 = 60;
/// Requests that wait for a login at the same time; more wait to be let in.
const WAITING: usize = 16;

/// Of one client. Cheap to clone; the last one ends it.
#[derive(Clone)]
pub struct Upkeep(Arc<Shared>);

struct Shared {
    now: watch::Receiver<Now>,
    asks: mpsc::Sender<Ask>,
    _task: Tasks,
}

/// What is used now.
#[derive(Clone)]
struct Now {
    client: Client,
    server: Arc<str>,
    /// Cancelled when the connections are left.
    left: CancellationToken,
    /// Counts logins.
    login: u64,
    until: Option<Timestamp>,
    /// Why the last login failed.
    trouble: Option<String>,
}

/// The network's word for why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{server}")]
struct Unreached {
    server: Arc<str>,
    source: tower::BoxError,
}

enum Ask {
    /// A newer login than this one; answers whether there is one.
    Login(u64, oneshot::Sender<bool>),
    /// New connections.
    Connections(oneshot::Sender<()>),
}

/// A client of `config`'s server, whose user is read from `source` again when the server does not accept it any more.
///
/// # Errors
/// The login fails, or the configuration is no use.
pub async fn client(source: Source, mut config: Config) -> Result<(Client, Upkeep), Failure> {
    let until = log_in(&mut config.auth_info).await.map_err(|error| {
        Failure::new("DB-CLUSTER-004", Exit::Cluster, "cannot log in to the cluster")
            .why(chain(&error))
            .fix("run that command by hand, or choose another context with --context")
    })?;
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config.clone()).map_err(|error| invalid("cannot make a client", &error))?;
    let server = config.cluster_url.to_string().into();
    let now = Now { client, server, left: CancellationToken::new(), login: 0, until, trouble: None };
    let (set, now) = watch::channel(now);
    let (asks, asked) = mpsc::channel(WAITING);
    let task = Tasks::default();
    task.spawn_until_stopped(keep_up(source, config, set, asked));
    let upkeep = Upkeep(Arc::new(Shared { now, asks, _task: task }));
    let service = {
        let upkeep = upkeep.clone();
        tower::service_fn(move |request| upkeep.clone().send(request))
    };
    Ok((Client::new(service, namespace), upkeep))
}

impl Upkeep {
    /// Why the last login failed, if it did.
    pub fn trouble(&self) -> Option<String> {
        self.0.now.borrow().trouble.clone()
    }

    /// From now on all requests go over new connections; watches on old ones end.
    ///
    /// Cancel safe: it happens nevertheless.
    pub async fn leave_connections(&self) {
        let (done, left) = oneshot::channel();
        if self.0.asks.send(Ask::Connections(done)).await.is_ok() {
            let _ = time::timeout(PATIENCE, left).await;
        }
    }

    fn now(&self) -> Now {
        self.0.now.borrow().clone()
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Answer>, kube::Error> {
        let mut now = self.now();
        if now.is_ending() && self.logged_in_again(now.login).await {
            now = self.now();
        }
        let (parts, body) = request.into_parts();
        let again = body.try_clone().map(|body| Request::from_parts(parts.clone(), body));
        let answer = now.ask(Request::from_parts(parts, body)).await;
        let left = matches!(&answer, Err(error) if answer::was_left(error));
        let refused = match &answer {
            Ok(answer) => answer.status() == StatusCode::UNAUTHORIZED,
            Err(error) => no_login(error),
        };
        let worth = left || refused && self.logged_in_again(now.login).await;
        match again {
            Some(again) if worth => self.now().ask(again).await,
            _ => answer,
        }
    }

    /// Whether there is a newer login than `login`, if need be after another try.
    async fn logged_in_again(&self, login: u64) -> bool {
        let (newer, answer) = oneshot::channel();
        let asking = async {
            self.0.asks.send(Ask::Login(login, newer)).await.ok()?;
            answer.await.ok()
        };
        time::timeout(PATIENCE, asking).await.ok().flatten().unwrap_or(false)
    }
}

impl Now {
    fn is_ending(&self) -> bool {
        let soon = Timestamp::now().as_second().saturating_add(EARLY);
        self.until.is_some_and(|until| until.as_second() <= soon)
    }

    /// Names the server in what the network says.
    fn at(&self, error: kube::Error) -> kube::Error {
        match error {
            kube::Error::Service(source) if !source.is::<AuthError>() => {
                kube::Error::Service(Box::new(Unreached { server: self.server.clone(), source }))
            }
            error => error,
        }
    }

    /// Sends a request. What only reads is given up when the connections are left; what changes something may have
    /// arrived, so its answer is waited for.
    async fn ask(&self, request: Request<Body>) -> Result<Response<Answer>, kube::Error> {
        let reads = request.method() == Method::GET;
        let longest = ANSWER + Duration::from_secs(request.body().size_hint().lower() / SLOWEST);
        let query = request.uri().query().unwrap_or_default();
        let stream = query.split('&').any(|part| part == "watch=true" || part == "follow=true");
        let answer = tokio::select! {
            answer = time::timeout(longest, self.client.send(request)) => {
                answer.unwrap_or_else(|_| Err(answer::late())).map_err(|error| self.at(error))
            }
            () = self.left.cancelled(), if reads => Err(answer::left()),
        };
        let pause = (!stream).then_some(ANSWER);
        answer.map(|answer| answer.map(|body| Answer::new(body, self.left.clone(), pause)))
    }
}

/// Logs in and connects as often as it is asked to, one after the other.
async fn keep_up(
    source: Source,
    mut config: Config,
    now: watch::Sender<Now>,
    mut asked: mpsc::Receiver<Ask>,
) {
    let mut tries = Tries::default();
    while let Some(ask) = asked.recv().await {
        match ask {
            Ask::Login(login, newer) => {
                let is_newer = |now: &watch::Sender<Now>| now.borrow().login > login;
                if !is_newer(&now) && tries.may() {
                    let made = logged_in(&source, &mut config).await;
                    tries.done();
                    now.send_modify(|now| match made {
                        Ok((client, until)) => {
                            *now = Now { client, login: now.login + 1, until, trouble: None, ..now.clone() };
                        }
                        Err(error) => now.trouble = Some(chain(&*error)),
                    });
                }
                // Who asked may have gone.
                let _ = newer.send(is_newer(&now));
            }
            Ask::Connections(done) => {
                // It could be made before, of the same configuration.
                if let Ok(client) = Client::try_from(config.clone()) {
                    let left = now.borrow().left.clone();
                    now.send_modify(|now| {
                        *now = Now { client, left: CancellationToken::new(), ..now.clone() }
                    });
                    left.cancel();
                }
                let _ = done.send(());
            }
        }
    }
}

/// When the last logins were. That one was of no use shows in that another is wanted soon.
#[derive(Default)]
struct Tries {
    last: Option<(Instant, Duration)>,
}

impl Tries {
    fn may(&self) -> bool {
        self.last.is_none_or(|(last, pause)| last.elapsed() >= pause)
    }

    fn done(&mut self) {
        let before = self.last.filter(|(last, pause)| last.elapsed() < *pause + RARELY);
        let pause = before.map_or(AGAIN, |(_, pause)| RARELY.min(pause * 2));
        self.last = Some((Instant::now(), pause));
    }
}

type LoggedIn = Result<(Client, Option<Timestamp>), Box<dyn std::error::Error + Send + Sync>>;

/// Makes a client of the user as it is written now; `config` then has that user.
async fn logged_in(source: &Source, config: &mut Config) -> LoggedIn {
    let mut with = config.clone();
    with.auth_info = source.config().await?.auth_info;
    let until = log_in(&mut with.auth_info).await?;
    let client = Client::try_from(with.clone())?;
    *config = with;
    Ok((client, until))
}

/// Whether a request failed for want of a login: the API server did not accept the credentials, or there were none to send.
pub fn no_login(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => status.code == StatusCode::UNAUTHORIZED.as_u16(),
        kube::Error::Auth(_) => true,
        kube::Error::Service(error) => error.is::<AuthError>(),
        _ => false,
    }
}
