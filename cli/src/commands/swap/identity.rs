//! What tells this session from others.

use tunnel::identity::KeyPair;

use crate::cluster::names;
use crate::error::{Exit, Failure};

/// Keys of one end of the tunnel.
pub(super) fn keys() -> Result<KeyPair, Failure> {
    KeyPair::generate().map_err(|error| {
        Failure::new("DB-TUNNEL-003", Exit::Failure, "the system gives no random numbers").why(error)
    })
}

/// Random.
pub(super) fn id() -> Result<String, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new("DB-TUNNEL-003", Exit::Failure, "the system gives no random numbers").why(error)
    })?;
    Ok(names::hex(&bytes))
}

/// `alice@laptop`: for people; nothing is decided by it.
pub(super) fn who() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    let user = std::env::var("USER")
        .ok()
        .filter(|name| !name.is_empty())
        .or(user)
        .unwrap_or_else(|| "somebody".into());
    let host = nix::unistd::gethostname().unwrap_or_default();
    format!("{user}@{}", host.to_string_lossy())
}
