//! An exchange in full.

use jiff::tz::TimeZone;

use super::{Line, Role, Span, TAB, fit, numbers, row};
use crate::decode::{self, printable};
use crate::exchange::{Direction, End, Exchange, Header, Kind, Message, Route};

/// All lines about an exchange: its [`parts`] with a line between them.
pub fn detail(exchange: &Exchange, zone: &TimeZone) -> Vec<Line> {
    let [request, answer, facts] = parts(exchange, zone);
    let between = || std::iter::once(Line::default());
    request.into_iter().chain(between()).chain(answer).chain(between()).chain(facts).collect()
}

/// What was asked; what was answered; how long it took and why it went where it did. Times are of `zone`.
pub fn parts(exchange: &Exchange, zone: &TimeZone) -> [Vec<Line>; 3] {
    [request(exchange), answer(exchange), facts(exchange, zone)]
}

fn request(exchange: &Exchange) -> Vec<Line> {
    let mut lines = vec![
        Line::of(Role::Dim, format!("#{} ", exchange.id))
            .and(Role::Title, printable(&exchange.method))
            .and(Role::Plain, format!(" {} ", printable(&exchange.target)))
            .and(Role::Dim, exchange.version.as_str()),
    ];
    // HTTP/1 has it among its headers.
    if !exchange.host.is_empty() && exchange.request.header("host").next().is_none() {
        lines.push(header("host", &exchange.host));
    }
    message(&mut lines, &exchange.request);
    lines
}

fn answer(exchange: &Exchange) -> Vec<Line> {
    let mut lines = vec![answer_line(exchange)];
    if let Some(answer) = &exchange.answer {
        message(&mut lines, answer);
    }
    lines
}

/// The body of a message as lines, with what has to be known about it above.
pub fn body(message: &Message) -> Vec<Line> {
    let decoded = decode::body(message);
    let mut lines = Vec::new();
    if !decoded.notes.is_empty() {
        lines.push(Line::of(Role::Dim, format!("({})", decoded.notes.join("; "))));
    }
    let role = if decoded.binary { Role::Dim } else { Role::Plain };
    lines.extend(decoded.text.lines().map(|line| Line::of(role, fit::expand_tabs(line, TAB))));
    lines
}

fn message(lines: &mut Vec<Line>, message: &Message) {
    lines.extend(message.headers.iter().map(|Header { name, value }| header(name, value)));
    let body = body(message);
    if !body.is_empty() {
        lines.push(Line::default());
        lines.extend(body);
    }
    if !message.trailers.is_empty() {
        lines.push(Line::default());
        lines.extend(message.trailers.iter().map(|Header { name, value }| header(name, value)));
    }
}

fn header(name: &str, value: &str) -> Line {
    Line::of(Role::Name, printable(name)).and(Role::Dim, ": ").and(Role::Plain, printable(value))
}

/// `200 OK`, `200 OK UNAVAILABLE`, `no answer`, with ` cut off` where it was.
pub(crate) fn answer_line(exchange: &Exchange) -> Line {
    let mut line = Line::default();
    match exchange.status {
        Some(status) => {
            line = line.and(row::role(status), status.to_string());
            if let Some(reason) = reason(status) {
                line = line.and(Role::Plain, format!(" {reason}"));
            }
            if row::is_grpc(exchange) && exchange.grpc_status().is_some() {
                let Span { role, text } = row::status(exchange);
                line = line.and(Role::Plain, " ").and(role, text);
            }
        }
        None if exchange.end.is_none() => line = line.and(Role::Dim, "no answer yet"),
        None if exchange.end == Some(End::Elsewhere) => {
            line = line.and(Role::Dim, "answered elsewhere, unseen")
        }
        None => line = line.and(Role::Bad, "no answer"),
    }
    match exchange.end {
        Some(End::Cut) => line.and(Role::Bad, " cut off"),
        Some(End::Unread) => line.and(Role::Dim, " not all of it was looked at"),
        Some(End::Complete | End::Elsewhere) | None => line,
    }
}

/// What the status is called where it has a name.
fn reason(status: u16) -> Option<&'static str> {
    http::StatusCode::from_u16(status).ok()?.canonical_reason()
}

fn facts(exchange: &Exchange, zone: &TimeZone) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut fact = |name: &str, value: String| {
        lines.push(Line::of(Role::Name, format!("{name:<9}")).and(Role::Plain, value));
    };
    let started = exchange.started.to_zoned(zone.clone());
    fact("started", started.strftime("%F %H:%M:%S.%3f %:z").to_string());
    if let Some(timing) = timing(exchange) {
        fact("timing", timing);
    }
    let unknown = if exchange.replay_of.is_some() { "devbridge" } else { "?" };
    let caller = exchange.from.map(|from| from.to_string()).unwrap_or_else(|| unknown.into());
    let asked = exchange.to.map(|to| format!(" to {to}")).unwrap_or_default();
    match exchange.direction {
        Direction::Requests => fact("from", format!("{caller}, port {}{asked}", exchange.port)),
        Direction::Outbound => fact("from", format!("laptop{asked}")),
    }
    let (by, why) = match &exchange.route {
        Route::Laptop { why } => ("laptop", why),
        Route::Originals { why } => ("originals", why),
        Route::Cluster { why } => ("cluster", why),
    };
    fact("route", by.into());
    if !why.is_empty() {
        fact("why here", printable(why).into_owned());
    }
    if let Some(messages) = &exchange.messages {
        let kind = match messages.kind {
            Kind::WebSocket => "WebSocket",
            Kind::Grpc => "gRPC",
        };
        let (sent, received) =
            (numbers::short_size(messages.sent_bytes), numbers::short_size(messages.received_bytes));
        fact(
            "messages",
            format!("{kind}: {} sent ({sent}), {} received ({received})", messages.sent, messages.received),
        );
    }
    if let Some(trace) = &exchange.trace {
        fact("trace", printable(trace).into_owned());
    }
    if let Some(of) = exchange.replay_of {
        fact("replay", format!("of #{of}"));
    }
    lines
}

/// `queue 0.3 · tunnel ~2.0 · connect 0.2 · process 25.9 · tunnel ~2.0 ms`. The tunnel's share is half a round trip that was
/// measured before, hence the `~`. None: nothing was measured.
fn timing(exchange: &Exchange) -> Option<String> {
    let timing = &exchange.timing;
    let who = match exchange.route {
        Route::Laptop { .. } => "process",
        Route::Originals { .. } => "originals",
        Route::Cluster { .. } => "answer",
    };
    let tunnel = timing.tunnel_us.map(|micros| ("tunnel", format!("~{}", numbers::millis(micros))));
    let exact = |name, micros: Option<u64>| micros.map(|micros| (name, numbers::millis(micros)));
    let rest = timing.total_us.zip(timing.answer_us).map(|(total, answer)| total.saturating_sub(answer));
    let parts = [
        exact("queue", timing.queue_us),
        tunnel.clone(),
        exact("connect", timing.connect_us),
        exact(who, timing.answer_us),
        // Only of answers that took their time after their beginning.
        exact("rest", rest.filter(|micros| *micros >= 1000)),
        tunnel.filter(|_| timing.answer_us.is_some()),
    ];
    let parts: Vec<_> =
        parts.into_iter().flatten().map(|(name, millis)| format!("{name} {millis}")).collect();
    (!parts.is_empty()).then(|| format!("{} ms", parts.join(" · ")))
}
