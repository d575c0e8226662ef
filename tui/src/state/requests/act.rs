//! What is done with requests by others: sent again, written to a file, forgotten. Where something of others may change, or
//! is lost, the user is asked first.

use std::path::PathBuf;

use inspector::decode::printable;
use inspector::exchange::is_idempotent;
use inspector::text::fit;
use inspector::{Direction, Exchange};

use super::listed::Listed;
use crate::action::{Action, To};
use crate::data::Known;
use crate::state::popup::Popup;
use crate::state::{Effect, Notice};

/// Longer targets are cut in a question.
const TARGET: usize = 36;

/// Sends it again.
pub(super) fn replay(known: &Known, exchange: &Exchange, to: To) -> Vec<Effect> {
    let session = &known.session;
    let then = Action::Replay { session: session.id.clone(), id: exchange.id, to };
    let idempotent = is_idempotent(&exchange.method);
    if idempotent && to == To::Process {
        return vec![Effect::Do(then), Effect::Say(Notice::good("sent; waiting for its answer"))];
    }
    let method = printable(&exchange.method);
    let what = format!("{method} {}", fit::fit(&printable(&exchange.target), TARGET));
    let mut about = Vec::new();
    let question = match to {
        To::Process => format!("send {what} again?"),
        To::Cluster => {
            about.push(match exchange.direction {
                Direction::Requests => format!("to an original of {}", session.target),
                Direction::Outbound => {
                    format!("to {}, whom the process had asked", printable(&exchange.host))
                }
            });
            about.push(format!("in context {}, namespace {}", session.context, session.namespace));
            format!("send {what} to the cluster?")
        }
    };
    if !idempotent {
        about.push(format!("{method} is not idempotent: what it does is done once more"));
    }
    vec![Effect::Show(Popup::question(question, about.join("\n"), then))]
}

/// Forgets all of them.
pub(super) fn clear(known: &Known) -> Effect {
    let then = Action::Clear { session: known.session.id.clone() };
    let question = format!("forget all {} requests of {}?", known.exchanges.len(), known.session.target);
    Effect::Show(Popup::question(question, "they are kept nowhere else; w writes them to a file", then))
}

/// Writes those in the list.
pub(super) fn har(known: &Known, listed: &Listed, path: Option<&str>) -> Effect {
    let ids: Vec<_> = listed.matching.iter().map(|exchange| exchange.id).collect();
    let Some(newest) = listed.matching.last() else {
        return Effect::Say(Notice::warn("there is no request here to write"));
    };
    let path = path.map_or_else(|| name(&known.session.target, newest), PathBuf::from);
    Effect::Do(Action::Export { session: known.session.id.clone(), ids, path })
}

/// `devbridge-orders-20260102-104108.har`; in UTC, as the newest of them began.
fn name(target: &str, newest: &Exchange) -> PathBuf {
    let name = target.rsplit('/').next().unwrap_or_default();
    // A name in the cluster decides about no other folder here.
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    format!("devbridge-{name}-{}.har", newest.started.strftime("%Y%m%d-%H%M%S")).into()
}
