//! Requests for other programs, by the clipboard. What was copied is shown, too: a terminal may keep its clipboard from
//! programs, and then it can be selected there.

use inspector::Exchange;
use inspector::decode::{contents, printable_lines};
use inspector::export::{Side, base, curl, httpie, raw};
use inspector::text::{Line, Role};

use super::{Requests, Wanted, What};
use crate::action::Action;
use crate::command::{Command, CopyAs};
use crate::data::Known;
use crate::state::popup::Popup;
use crate::state::{Effect, Notice};

/// What it can be copied as.
pub(super) fn menu(id: u64) -> Popup {
    let item = |key, copy| (key, name(copy).to_owned(), Command::CopyAs(copy));
    let items = vec![
        item('c', CopyAs::Curl),
        item('h', CopyAs::Httpie),
        item('r', CopyAs::Raw),
        item('b', CopyAs::Body),
        item('u', CopyAs::Url),
    ];
    Popup::menu(format!("copy request {id} as"), items)
}

fn name(copy: CopyAs) -> &'static str {
    match copy {
        CopyAs::Curl => "curl",
        CopyAs::Httpie => "HTTPie",
        CopyAs::Raw => "raw request",
        CopyAs::Body => "body of the answer",
        CopyAs::Url => "URL",
    }
}

impl Requests {
    /// Copies it; its secrets only where the user looks at them.
    pub(super) fn copy(&mut self, known: &Known, id: u64, copy: CopyAs) -> Vec<Effect> {
        let place = self.place(known);
        if let Some(exchange) = place.bodies(id) {
            return copied(&exchange, copy);
        }
        let reveal = place.opened.as_ref().is_some_and(|opened| opened.id == id && opened.revealed);
        let session = known.session.id.clone();
        let what = What::Copy { id, copy };
        self.wanted = Some(Wanted { session: session.clone(), revealed: reveal, what });
        vec![Effect::Do(Action::Open { session, id, reveal })]
    }
}

/// Copies it, and shows what was copied.
pub(super) fn copied(exchange: &Exchange, copy: CopyAs) -> Vec<Effect> {
    let text = match text(exchange, copy) {
        Ok(text) => text,
        Err(why) => return vec![Effect::Say(Notice::warn(why))],
    };
    let shown = printable_lines(&text);
    let lines = shown.lines().map(|line| Line::of(Role::Plain, line.replace('\t', "    ")));
    let popup = Popup::text(format!("copied: {}", name(copy)), lines.collect());
    vec![Effect::Clipboard(text), Effect::Show(popup)]
}

/// Errors: why there is none, and what to do.
fn text(exchange: &Exchange, copy: CopyAs) -> Result<String, String> {
    let base = base(exchange);
    let no_text = |what: &str, format: &str| {
        format!("{what} is no text; devbridge requests export {} --format {format} -o FILE", exchange.id)
    };
    Ok(match copy {
        CopyAs::Curl => curl(exchange, &base),
        CopyAs::Httpie => httpie(exchange, &base),
        CopyAs::Raw => {
            let bytes = raw(exchange, Side::Request).unwrap_or_default();
            String::from_utf8(bytes.into()).map_err(|_| no_text("it", "raw"))?
        }
        CopyAs::Body => {
            let answer = exchange.answer.as_ref().filter(|answer| !answer.body.kept.is_empty());
            let answer = answer.ok_or("there is no body to copy")?;
            let bytes = contents(answer).bytes;
            String::from_utf8(bytes.into()).map_err(|_| no_text("the body", "raw-answer"))?
        }
        CopyAs::Url if exchange.target.starts_with('/') => format!("{base}{}", exchange.target),
        CopyAs::Url if exchange.target.contains("://") => exchange.target.clone(),
        CopyAs::Url => format!("{base}/"),
    })
}
