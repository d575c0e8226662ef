//! `devbridge requests export`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use inspector::Exchange;
use inspector::export::{Side, base, curl, har, httpie, raw};

use super::session::{Of, check};
use crate::args::requests::{Export, ExportFormat};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::session::inspect::told::Query;

/// Writes them for other programs.
pub(super) async fn run(args: Export, output: &Output) -> Result<(), Failure> {
    let (ids, filter): (Vec<_>, Vec<_>) =
        args.which_ones.iter().cloned().partition(|one| one.parse::<u64>().is_ok());
    check(&filter)?;
    let of = Of::find(args.which.session.as_deref()).await?;
    let mut all = Vec::new();
    for id in ids.iter().filter_map(|id| id.parse().ok()) {
        all.push(of.one(id, args.which.reveal).await?);
    }
    if ids.is_empty() || !filter.is_empty() {
        let query = Query { filter, bodies: true, reveal: args.which.reveal, ..Query::default() };
        all.extend(of.all(query).await?.0);
    }
    all.sort_by_key(|exchange| exchange.id);
    all.dedup_by_key(|exchange| exchange.id);
    if all.is_empty() {
        return Err(Failure::new("DB-REQUESTS-006", Exit::Target, "no request matches").why(of.nothing()));
    }
    let format = if args.har { ExportFormat::Har } else { args.format };
    let written = written(&all, format, args.url.as_deref())?;
    match &args.output {
        None => {
            // Nobody reads any more, as when `head` has seen enough.
            let _ = output.bytes(&written);
        }
        Some(path) => {
            save(path, &written)?;
            output.say(&format!("{} written to {}", count(all.len()), path.display()));
        }
    }
    Ok(())
}

/// To a file of this user alone: it may hold what is nobody else's concern.
pub(in crate::commands) fn save(path: &Path, written: &[u8]) -> Result<(), Failure> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(written)).map_err(|error| {
        Failure::new("DB-REQUESTS-007", Exit::Failure, format!("cannot write {}", path.display())).why(error)
    })
}

fn count(number: usize) -> String {
    if number == 1 { "1 request".into() } else { format!("{number} requests") }
}

fn written(all: &[Exchange], format: ExportFormat, url: Option<&str>) -> Result<Vec<u8>, Failure> {
    let lines = |line: &dyn Fn(&Exchange, &str) -> String| {
        let each = all.iter().map(|exchange| {
            let base = url.map_or_else(|| base(exchange), str::to_owned);
            line(exchange, &base) + "\n"
        });
        each.collect::<Vec<_>>().join("\n").into_bytes()
    };
    Ok(match format {
        ExportFormat::Curl => lines(&curl),
        ExportFormat::Httpie => lines(&httpie),
        ExportFormat::Har => {
            let mut text =
                serde_json::to_vec_pretty(&har(all, env!("CARGO_PKG_VERSION"))).unwrap_or_default();
            text.push(b'\n');
            text
        }
        ExportFormat::Raw | ExportFormat::RawAnswer => {
            let [one] = all else {
                return Err(Failure::new(
                    "DB-REQUESTS-008",
                    Exit::Usage,
                    format!("the bytes of {} are no file", count(all.len())),
                )
                .fix("name one: devbridge requests export ID --format raw"));
            };
            let side = if format == ExportFormat::Raw { Side::Request } else { Side::Answer };
            let bytes = raw(one, side);
            bytes
                .ok_or_else(|| {
                    Failure::new("DB-REQUESTS-009", Exit::Target, format!("request {} has no answer", one.id))
                })?
                .to_vec()
        }
    })
}
