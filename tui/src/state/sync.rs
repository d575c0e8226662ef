//! What was saved, newest first, and where it has come.

use inspector::text::numbers;
use tunnel::status::Save;

use super::list::List;
use super::popup::Popup;
use super::{Effect, Notice, Outcome, about};
use crate::action::Action;
use crate::command::Command;
use crate::data::Known;

/// See above.
#[derive(Debug, Default)]
pub struct Sync {
    list: List,
    /// The save that is selected; none: the newest.
    at: Option<u64>,
}

impl Sync {
    /// Where in the list of saves.
    pub fn list(&mut self, known: &Known) -> &mut List {
        let found = self.at.and_then(|at| saves(known).position(|save| save.generation == at));
        self.list.select(found.unwrap_or(0));
        &mut self.list
    }

    pub(super) fn command(&mut self, command: &Command, known: Option<&Known>) -> Outcome {
        let Some(known) = known else { return Outcome::NotConsumed };
        let session = known.session.id.clone();
        let len = known.saves.len();
        match command {
            Command::Verify | Command::Repair if !known.is_synced() => {
                let notice =
                    Notice::warn("the code runs on this laptop: there is nothing to compare it with");
                Outcome::with(Effect::Say(notice))
            }
            Command::Verify => {
                let verify = Effect::Do(Action::Verify { session, repair: false });
                Outcome::Consumed(vec![Effect::Say(Notice::good("comparing…")), verify])
            }
            Command::Repair => {
                let about = "files that differ are sent again, extra ones removed";
                let then = Action::Verify { session, repair: true };
                Outcome::with(Effect::Show(Popup::question("send again what differs?", about, then)))
            }
            Command::Open => {
                let at = self.list(known).selected(len);
                let save = saves(known).nth(at);
                Outcome::Consumed(save.map(|save| open(save, known)).into_iter().collect())
            }
            command => {
                let moved = self.list(known).command(command, len, false);
                if moved {
                    // Who is at the newest wants to see what comes.
                    let at = self.list.selected(len);
                    self.at = saves(known).nth(at).filter(|_| at > 0).map(|save| save.generation);
                }
                Outcome::done(moved)
            }
        }
    }
}

/// Newest first.
pub fn saves(known: &Known) -> impl Iterator<Item = &Save> {
    known.saves.iter().rev()
}

fn open(save: &Save, known: &Known) -> Effect {
    let duration = |ms: Option<u64>| ms.map(|ms| numbers::duration(ms.saturating_mul(1000)));
    let word = if known.is_synced() { "generation" } else { "restart" };
    let fields = [
        (word, save.generation.to_string()),
        ("saved at", about::time(save.at_ms)),
        ("what", save.what.clone()),
        ("files", save.files.to_string()),
        ("sent", if known.is_synced() { numbers::size(save.bytes) } else { String::new() }),
        ("in the pod", duration(save.synced_ms).map(|time| format!("after {time}")).unwrap_or_default()),
        ("listened", duration(save.listens_ms).map(|time| format!("after {time}")).unwrap_or_default()),
        ("failed", save.failed.clone().unwrap_or_default()),
    ];
    Effect::Show(about::popup(&format!("{word} {}", save.generation), &fields))
}
