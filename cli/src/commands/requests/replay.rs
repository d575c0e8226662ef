//! `devbridge requests replay`: sends a request again, once.

use std::io::{IsTerminal, Read, Write};

use bytes::Bytes;
use inspector::Header;
use inspector::exchange::is_idempotent;
use inspector::text::detail;
use jiff::tz::TimeZone;

use super::again::{cut, outgoing, replace, send};
use super::edit::edit;
use super::list::json;
use super::paint::Paint;
use super::session::Of;
use crate::args::Format;
use crate::args::requests::{Replay, To};
use crate::error::{Exit, Failure};
use crate::output::Output;
use crate::session::inspect::replay::{Outgoing, To as Goes};

/// Sends it and prints what comes.
pub(super) async fn run(args: Replay, output: &Output) -> Result<u8, Failure> {
    let of = Of::find(args.which.session.as_deref()).await?;
    // As it was: what is covered can't be sent.
    let before = of.one(args.id, true).await?;
    let goes = if args.to == To::Cluster { Goes::Cluster } else { Goes::Process };
    let mut outgoing = outgoing(&before, goes);
    outgoing.method = args.method.clone().unwrap_or(outgoing.method);
    outgoing.target = args.path.clone().unwrap_or(outgoing.target);
    for header in &args.set_header {
        set(&mut outgoing, header)?;
    }
    if let Some(data) = &args.data {
        replace(&mut outgoing, body(data)?);
    } else if !before.request.body.is_whole() && !args.edit {
        return Err(cut(&before));
    }
    if args.edit && !edit(&mut outgoing)? {
        output.say("nothing was sent");
        return Ok(0);
    }
    agree(&args, &of, &outgoing, output)?;
    let id = send(&of, outgoing).await?;
    let exchange = of.one(id, args.which.reveal).await?;
    if args.output == Format::Json {
        output.data(&json(&exchange));
    } else {
        output.data(&Paint::new().lines(&detail(&exchange, &TimeZone::system())));
        output.say(&format!("what differs: devbridge requests diff {} {id}", args.id));
    }
    Ok(0)
}

/// `NAME: VALUE` in the place of what there is; `NAME:` takes it away.
fn set(outgoing: &mut Outgoing, header: &str) -> Result<(), Failure> {
    let wrong = || {
        Failure::new("DB-REQUESTS-010", Exit::Usage, format!("`{header}` is no header"))
            .fix("--set-header 'x-user: bob'; --set-header 'x-user:' removes it")
    };
    let (name, value) = header.split_once(':').ok_or_else(wrong)?;
    let (name, value) = (name.trim(), value.trim());
    if http::HeaderName::try_from(name).is_err() || http::HeaderValue::try_from(value).is_err() {
        return Err(wrong());
    }
    if name.eq_ignore_ascii_case("host") {
        value.clone_into(&mut outgoing.host);
        return Ok(());
    }
    let headers = &mut outgoing.request.headers;
    let at = headers.iter().position(|header| header.name.eq_ignore_ascii_case(name));
    headers.retain(|header| !header.name.eq_ignore_ascii_case(name));
    if !value.is_empty() {
        let header = Header { name: name.to_owned(), value: value.to_owned() };
        headers.insert(at.unwrap_or(headers.len()).min(headers.len()), header);
    }
    Ok(())
}

fn body(data: &str) -> Result<Bytes, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("DB-REQUESTS-011", Exit::Usage, format!("cannot read {data}")).why(error)
    };
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec().into()),
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).map_err(failed)?;
            Ok(bytes.into())
        }
        Some(path) => std::fs::read(path).map(Bytes::from).map_err(failed),
    }
}

/// Asks, where something of others may change.
fn agree(args: &Replay, of: &Of, outgoing: &Outgoing, output: &Output) -> Result<(), Failure> {
    let idempotent = is_idempotent(&outgoing.method);
    let again = format!("{} is not idempotent: what it does is done once more", outgoing.method);
    if outgoing.to == Goes::Process {
        if !idempotent {
            output.say(&again);
        }
        return Ok(());
    }
    if args.yes {
        return Ok(());
    }
    let what = format!("{} {} goes to the cluster", outgoing.method, outgoing.target);
    let where_to =
        format!("context {}, namespace {}, {}", of.session.context, of.session.namespace, of.session.target);
    let refused = || {
        Failure::new("DB-REQUESTS-013", Exit::Usage, what.clone())
            .why("nobody agreed to that; nothing was sent")
            .fix("--yes")
    };
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(refused());
    }
    output.say(&format!("{what}: {where_to}"));
    if !idempotent {
        output.say(&again);
    }
    output.ask("send it? [y/N] ");
    let mut line = String::new();
    let _ = std::io::stdout().flush();
    match std::io::stdin().read_line(&mut line) {
        Ok(_) if matches!(line.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use inspector::Message;

    use super::*;

    fn outgoing() -> Outgoing {
        let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
        Outgoing {
            of: 1,
            to: Goes::Process,
            method: "POST".into(),
            target: "/".into(),
            host: "web".into(),
            request: Message {
                headers: vec![
                    header("X-User", "a"),
                    header("content-encoding", "gzip"),
                    header("x-user", "b"),
                ],
                ..Message::default()
            },
        }
    }

    #[test]
    fn a_header_takes_the_place_of_all_of_its_name() {
        let mut changed = outgoing();
        set(&mut changed, "x-USER: c: d").unwrap();
        let all: Vec<_> = changed.request.headers.iter().map(|header| header.value.as_str()).collect();
        assert_eq!(all, ["c: d", "gzip"]);
        set(&mut changed, "x-user:").unwrap();
        set(&mut changed, "Host: other").unwrap();
        assert_eq!((changed.request.headers.len(), changed.host.as_str()), (1, "other"));
        for wrong in ["x", "a b: c", ": c", "a: b\nc"] {
            assert!(set(&mut changed, wrong).is_err(), "{wrong}");
        }
    }
}
