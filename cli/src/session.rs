//! One session on the laptop: what runs from attach to leave.
//!
//! Each path has its file: [`requests`], [`outbound`], [`dns`], [`mod@env`], [`status`]; [`network`] counts whom the process
//! asks. [`control`] speaks with the agent about the session itself, [`keep`] keeps the record alive, [`originals`] tells the
//! agent where the originals are, [`reach`] finds the way to the agent, [`seat`] is the session's place there, [`expose`] shows
//! the process's ports on the laptop, [`reload`] starts it anew when its files change ([`saves`]), [`mod@sync`] runs it in the
//! cluster instead. [`journal`] remembers what was done and met, [`said`] what the process wrote, [`socket`] tells other
//! terminals and does what they ask for. [`attach`] and [`mod@leave`] put all of it together and take it apart; [`follow`] keeps
//! it together while agents and Services come and go, and [`mod@over`] tells when nothing is left to keep.

pub mod attach;
pub mod control;
pub mod current;
pub mod dns;
pub mod env;
pub mod expose;
pub mod follow;
pub mod inspect;
pub mod journal;
pub mod keep;
pub mod lead;
pub mod leave;
pub mod network;
pub mod originals;
pub mod outbound;
pub mod over;
pub mod process;
pub mod reach;
pub mod reload;
pub mod requests;
pub mod said;
pub mod saves;
pub mod seat;
pub mod serve;
pub mod socket;
pub mod status;
pub mod sync;

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::cluster::names::Names;
use crate::output::Output;
use inspect::Inspector;
use status::Board;

/// What every part of a session needs.
#[derive(Clone)]
pub struct Context {
    /// Cluster and namespace.
    pub cluster: Cluster,
    /// The target's names.
    pub names: Arc<Names>,
    /// Where words go.
    pub output: Output,
    /// Where state goes.
    pub board: Board,
    /// Who looks at what passes.
    pub inspector: Inspector,
}
