//! `devbridge requests list` and `follow`.

use std::collections::VecDeque;

use inspector::Exchange;
use inspector::text::{Row, lay_out, row};
use jiff::tz::TimeZone;
use tunnel::status::API_VERSION;

use super::paint::Paint;
use super::session::{Of, check};
use crate::args::Format;
use crate::args::requests::{Follow, List};
use crate::error::Failure;
use crate::output::Output;
use crate::session::inspect::told::{Query, Told};

/// So many lines above one that comes decide how wide its columns are.
const REMEMBERED: usize = 50;

/// Prints the newest.
pub(super) async fn list(args: List, output: &Output) -> Result<(), Failure> {
    check(&args.filter)?;
    let of = Of::find(args.which.session.as_deref()).await?;
    let query = Query {
        filter: args.filter.clone(),
        last: Some(args.last),
        bodies: args.output == Format::Json,
        reveal: args.which.reveal,
        ..Query::default()
    };
    let (all, dropped) = of.all(query).await?;
    if args.output == Format::Json {
        for exchange in &all {
            if output.line(&json(exchange)).is_err() {
                return Ok(());
            }
        }
        return Ok(());
    }
    if all.is_empty() {
        output.say(if args.filter.is_empty() { of.nothing() } else { "no request matches" });
        return Ok(());
    }
    let paint = Paint::new();
    let zone = TimeZone::system();
    let rows: Vec<_> = all.iter().map(|exchange| row(exchange, &zone)).collect();
    for line in lay_out(&rows, paint.width) {
        if output.line(&paint.line(&line)).is_err() {
            return Ok(());
        }
    }
    if dropped > 0 {
        output.say(&format!("requests up to {dropped} are kept no more"));
    }
    Ok(())
}

/// Prints those that come, each when it has ended.
pub(super) async fn follow(args: Follow, output: &Output) -> Result<(), Failure> {
    check(&args.filter)?;
    let of = Of::find(args.which.session.as_deref()).await?;
    let json_wanted = args.output == Format::Json;
    let query = Query {
        filter: args.filter,
        last: Some(args.last),
        follow: true,
        bodies: json_wanted,
        reveal: args.which.reveal,
    };
    let mut requests = of.ask(query).await?;
    let mut rows =
        Rows { paint: Paint::new(), zone: TimeZone::system(), last: VecDeque::new(), titles: false };
    while let Some(told) = requests.next().await.map_err(|error| of.silent(error))? {
        let printed = match told {
            Told::Exchange(exchange) if exchange.end.is_none() => Ok(()),
            Told::Exchange(exchange) if json_wanted => output.line(&json(&exchange)),
            Told::Exchange(exchange) => rows.lines(&exchange).iter().try_for_each(|line| output.line(line)),
            Told::Now { .. } => {
                output.say("following; Ctrl-C ends this, not the session");
                Ok(())
            }
            Told::Filter(why) => return Err(of.silent(why)),
        };
        if printed.is_err() {
            return Ok(());
        }
    }
    output.say(&format!("the session of {} has ended", of.session.target));
    Ok(())
}

/// One line of JSON.
pub(super) fn json(exchange: &Exchange) -> String {
    // A type that always can be written, as an object.
    let mut value = serde_json::to_value(exchange).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("apiVersion".into(), API_VERSION.into());
        object.insert("kind".into(), "Request".into());
    }
    value.to_string()
}

/// Rows that come one by one.
struct Rows {
    paint: Paint,
    zone: TimeZone,
    last: VecDeque<Row>,
    titles: bool,
}

impl Rows {
    /// The lines of one more.
    fn lines(&mut self, exchange: &Exchange) -> Vec<String> {
        if self.last.len() >= REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(row(exchange, &self.zone));
        let lines = lay_out(self.last.make_contiguous(), self.paint.width);
        let titles = if self.titles { None } else { lines.first() };
        self.titles = true;
        titles.into_iter().chain(lines.last()).map(|line| self.paint.line(line)).collect()
    }
}
