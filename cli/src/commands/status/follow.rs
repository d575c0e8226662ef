//! `devbridge status --follow`: what a session does, line by line as it happens.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tunnel::status::{Level, News};

use super::words::{Tables, saved, session};
use crate::args::{Format, Status};
use crate::commands::own::{self, Own, Unclear};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::session::socket::Follow;

/// Prints what the session tells until it ends.
///
/// # Errors
/// None runs here, several are meant, or it does not answer.
pub(super) async fn run(args: &Status, output: &Output) -> Result<(), Failure> {
    let Own { session: chosen, socket } =
        own::the_one(own::all().await?, args.session.as_deref()).map_err(unclear)?;
    let silent = |why: String| {
        let what = format!("the session of {} does not answer", chosen.target);
        Failure::new("DB-STATUS-004", Exit::Failure, what).why(why)
    };
    let mut follow = Follow::ask(&socket).await.map_err(|error| silent(error.to_string()))?;
    output.say(&format!("following the session of {}; Ctrl-C ends this, not the session", chosen.target));
    let mut lines = Lines { zone: TimeZone::system(), tables: Tables::default(), last: String::new() };
    let mut heard = false;
    while let Some(news) = follow.next().await.map_err(|error| silent(error.to_string()))? {
        heard = true;
        let printed = match args.output {
            Format::Json => serde_json::to_string(&news).map_or(Ok(()), |line| output.line(&line)),
            Format::Text => lines.of(news).iter().try_for_each(|line| output.line(line)),
        };
        if printed.is_err() {
            return Ok(());
        }
    }
    if !heard {
        return Err(silent("it has ended, or is of an older devbridge that can't be followed".into()));
    }
    output.say(&format!("the session of {} has ended", chosen.target));
    Ok(())
}

/// Why none is followed.
fn unclear(unclear: Unclear) -> Failure {
    match unclear {
        Unclear::Several { there } => {
            Failure::new("DB-STATUS-003", Exit::Usage, "several sessions are meant")
                .why(format!("they are: {there}"))
                .fix("devbridge status --follow --session TARGET, or its id")
        }
        Unclear::Other { named, there } => {
            Failure::new("DB-STATUS-002", Exit::Target, format!("no session of `{named}` runs here"))
                .why(format!("there are: {there}"))
        }
        Unclear::Nothing => Failure::new("DB-STATUS-002", Exit::Target, "no session runs on this laptop")
            .fix("devbridge list shows those recorded in the cluster"),
    }
}

/// News as lines: when, a word that says what it is, and the rest.
struct Lines {
    zone: TimeZone,
    tables: Tables,
    /// Of the session, as it was shown last.
    last: String,
}

impl Lines {
    fn of(&mut self, news: News) -> Vec<String> {
        let now = || u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default();
        match news {
            News::Session(state) => {
                // Counters alone are no line.
                let text = session(&state);
                if text == self.last {
                    return Vec::new();
                }
                self.last.clone_from(&text);
                vec![self.line(now(), "session", &text)]
            }
            News::Event(event) => vec![self.line(event.at_ms, word(event.level), &event.text)],
            News::Said(said) => {
                vec![self.line(said.at_ms, "process", &anstream::adapter::strip_str(&said.text).to_string())]
            }
            News::Network(network) => {
                let changed = self.tables.changed(network);
                changed.iter().map(|(at_ms, word, text)| self.line(*at_ms, word, text)).collect()
            }
            News::Save(save) => vec![self.line(save.at_ms, "save", &saved(&save))],
            News::Missed(missed) => {
                vec![self.line(now(), "missed", &format!("{missed} lines that are kept no more"))]
            }
        }
    }

    fn line(&self, at_ms: u64, word: &str, text: &str) -> String {
        let at = i64::try_from(at_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let at = at.unwrap_or_default().to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
        format!("{at} {word:<8} {}", inspector::decode::printable(text))
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Info => "info",
        Level::State => "state",
        Level::Warning => "warning",
        Level::Failure => "failure",
    }
}

#[cfg(test)]
mod tests {
    use tunnel::status::{Event, Name, Network, Said, Save};

    use super::*;

    #[test]
    fn news_are_lines() {
        let mut lines = Lines { zone: TimeZone::UTC, tables: Tables::default(), last: String::new() };
        let at_ms = 1_000;
        let event = News::Event(Event { at_ms, level: Level::Warning, text: "look".into() });
        assert_eq!(lines.of(event), ["00:00:01 warning  look"]);
        let said = News::Said(Said { at_ms, text: "\u{1b}[32mgreen\u{1b}[0m\u{7}\u{202e}".into() });
        assert_eq!(lines.of(said), ["00:00:01 process  green\\u{202e}"]);
        let name =
            Name { name: "db".into(), kind: "A".into(), answer: "10.0.0.1".into(), at_ms, ..Name::default() };
        let network = News::Network(Network { dns: vec![name], ..Network::default() });
        assert_eq!(lines.of(network.clone()), ["00:00:01 dns      db A: 10.0.0.1 (0.0 ms)"]);
        assert_eq!(lines.of(network), [""; 0]);
        let save = Save { generation: 2, at_ms, what: "a.ts".into(), synced_ms: Some(7), ..Save::default() };
        assert_eq!(lines.of(News::Save(save)), ["00:00:01 save     2: a.ts; in the pod after 7 ms"]);
    }

    #[test]
    fn why_none_is_followed_has_a_code() {
        let there = || "deployment/web, deployment/api".to_owned();
        assert_eq!(unclear(Unclear::Several { there: there() }).code, "DB-STATUS-003");
        assert_eq!(unclear(Unclear::Other { named: "db".into(), there: there() }).code, "DB-STATUS-002");
        assert_eq!(unclear(Unclear::Nothing).code, "DB-STATUS-002");
    }
}
