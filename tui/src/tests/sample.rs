//! Two sessions in the middle of their work.

use std::sync::Arc;

use inspector::{Body, Direction, End, Exchange, Header, Message, Route, Timing};
use jiff::Timestamp;
use tunnel::message::Unavailable;
use tunnel::status::{
    Dns, Event, Level, Link, Name, Network, Outbound, Peer, Phase, Port, Process, Requests, Said, Save,
    Serving, Session, Sync, SyncedPod,
};

use crate::feed::{By, Source, Update};

/// `2026-01-02T10:41:08Z`
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_767_350_468).unwrap()
}

/// Milliseconds since 1970, so many seconds ago.
pub(crate) fn ago_ms(seconds: u64) -> u64 {
    now().as_millisecond() as u64 - seconds * 1000
}

/// `orders` on the laptop.
pub(crate) fn orders() -> Session {
    Session {
        id: "0a1b2c3d".into(),
        context: "dev".into(),
        namespace: "shop".into(),
        target: "deployment/orders".into(),
        services: vec!["orders".into()],
        pid: 7,
        since: "2026-01-02T10:29:08Z".into(),
        phase: Phase::Attached,
        link: Link::Up { round_trip_us: 4250 },
        process: Process::Running { pid: 8 },
        restarts: 2,
        serving: Serving::Laptop,
        unavailable: Unavailable::Cluster,
        ports: vec![Port { service: 80, container: 8080, laptop: 3000, listening: true }],
        requests: Requests { laptop: 812, originals: 4, failed: 0, stalled: 0, open: 2 },
        outbound: Outbound { connections: 44, failed: 1 },
        dns: Dns { answered: 51, failed: 3 },
        sync: None,
    }
}

/// `cart` in the cluster; its process has ended.
pub(crate) fn cart() -> Session {
    let pod = |name: &str, generation, in_sync, why: Option<&str>| SyncedPod {
        name: name.into(),
        generation,
        in_sync,
        why: why.map(str::to_owned),
    };
    Session {
        id: "1b2c3d4e".into(),
        target: "deployment/cart".into(),
        services: vec!["cart".into()],
        since: "2026-01-02T10:40:30Z".into(),
        process: Process::Exited { code: 1 },
        serving: Serving::Originals { why: "the process ended with 1; the next save starts it again".into() },
        ports: vec![Port { service: 80, container: 8080, laptop: 8080, listening: false }],
        requests: Requests { laptop: 31, originals: 12, failed: 2, stalled: 0, open: 0 },
        sync: Some(Sync {
            from: "src".into(),
            to: "/app/src".into(),
            command: vec!["node".into(), "server.js".into()],
            generation: 418,
            pods: vec![
                pod("cart-devbridge-7c9f-x2x4z", 418, true, None),
                pod("cart-devbridge-7c9f-kq8mv", 417, false, Some("1 file could not be written")),
            ],
        }),
        ..orders()
    }
}

/// An exchange of `orders`.
pub(crate) fn exchange(id: u64, seconds_ago: i64, method: &str, target: &str, status: u16) -> Exchange {
    let started = Timestamp::from_second(now().as_second() - seconds_ago).unwrap();
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let body = |text: &'static str| Body {
        size: text.len() as u64,
        kept: text.as_bytes().into(),
        ..Body::default()
    };
    Exchange {
        id,
        from: Some(([10, 0, 0, 7], 4711).into()),
        to: Some(([127, 0, 0, 1], 3000).into()),
        method: method.into(),
        target: target.into(),
        host: "orders".into(),
        request: Message {
            headers: vec![header("host", "orders"), header("content-type", "application/json")],
            body: if method == "POST" { body("{\"sku\":\"A1\",\"qty\":2}") } else { Body::default() },
            ..Message::default()
        },
        status: Some(status),
        answer: Some(Message {
            headers: vec![header("content-type", "application/json")],
            body: body("{\"ok\":true}"),
            ..Message::default()
        }),
        timing: Timing {
            queue_us: Some(300),
            tunnel_us: Some(2100),
            connect_us: Some(200),
            answer_us: Some(25_900),
            total_us: Some(31_000),
        },
        end: Some(End::Complete),
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        ..Exchange::new(
            started,
            Direction::Requests,
            80,
            Route::Laptop { why: "127.0.0.1:3000 accepted it".into() },
        )
    }
}

/// All that the samples know.
pub(crate) fn updates() -> Vec<Update> {
    let (orders, cart) = (orders(), cart());
    let (of, of_cart) = (orders.id.clone(), cart.id.clone());
    let mut updates = vec![Update::Session(Box::new(orders)), Update::Session(Box::new(cart))];
    let exchanges = [
        exchange(1, 40, "GET", "/api/orders/42", 200),
        exchange(2, 8, "POST", "/api/orders", 500),
        exchange(3, 4, "GET", "/api/orders?page=2", 200),
        exchange(4, 3, "GET", "/missing", 404),
        exchange(5, 1, "DELETE", "/api/orders/42", 204),
    ];
    updates.extend(
        exchanges
            .into_iter()
            .map(|exchange| Update::Exchange { session: of.clone(), exchange: Arc::new(exchange) }),
    );
    let event = |session: &str, by, seconds, level, text: &str| Update::Event {
        session: session.into(),
        by,
        event: Event { at_ms: ago_ms(seconds), level, text: text.into() },
    };
    updates.push(event(
        &of,
        By::Devbridge,
        720,
        Level::Info,
        "orders:80 -> 127.0.0.1:3000; leave with Ctrl-C",
    ));
    updates.push(event(
        &of,
        By::Kubernetes,
        715,
        Level::Info,
        "pod orders-devbridge-6d9f-abcde: Started container",
    ));
    updates.push(event(&of, By::Devbridge, 65, Level::State, "src/api.ts changed"));
    let text = "10.0.0.7:443 is not reached by the agent: refused";
    updates.push(event(&of, By::Devbridge, 9, Level::Warning, text));
    updates.push(event(&of_cart, By::Devbridge, 5, Level::State, "the process ended with 1"));
    for (seconds, text) in
        [(60, "listening on :3000"), (8, "POST /api/orders"), (8, "\u{1b}[31mError: no stock\u{1b}[0m")]
    {
        let line = Said { at_ms: ago_ms(seconds), text: text.into() };
        updates.push(Update::Line { session: of.clone(), source: Source::Process, pod: None, line });
    }
    updates.push(Update::Network { session: of.clone(), network: Box::new(network()) });
    for (session, generation, synced_ms, failed) in
        [(&of_cart, 417, Some(600), None), (&of_cart, 418, Some(41), Some("the process ended with 1"))]
    {
        updates.push(Update::Save {
            session: session.clone(),
            save: Save {
                generation,
                at_ms: ago_ms(420 - generation),
                what: if generation == 418 { "src/api.ts".into() } else { "src/a.ts and 311 more".into() },
                files: if generation == 418 { 1 } else { 312 },
                bytes: if generation == 418 { 2150 } else { 4_613_734 },
                synced_ms,
                listens_ms: if generation == 417 { Some(1380) } else { None },
                failed: failed.map(str::to_owned),
            },
        });
    }
    updates
}

pub(crate) fn network() -> Network {
    let name = |name: &str, kind: &str, answer: &str, asked, failed, last_us| Name {
        name: name.into(),
        kind: kind.into(),
        answer: answer.into(),
        asked,
        failed,
        last_us,
        most_us: last_us * 3,
        at_ms: ago_ms(4),
    };
    let peer = |address: &str, name: Option<&str>, connections, failed, why: Option<&str>| Peer {
        address: address.into(),
        name: name.map(str::to_owned),
        connections,
        failed,
        open: connections - failed,
        sent: 48_100,
        received: 1_153_434,
        last_us: 1400,
        most_us: 20_100,
        why: why.map(str::to_owned),
        at_ms: ago_ms(2),
    };
    Network {
        dns: vec![
            name("cart.shop.svc.cluster.local", "A", "10.96.3.9", 41, 0, 1200),
            name("redis", "A", "NXDOMAIN", 3, 3, 900),
        ],
        outbound: vec![
            peer("10.96.3.9:80", Some("cart.shop.svc.cluster.local"), 40, 0, None),
            peer("10.0.0.7:443", None, 3, 3, Some("refused")),
        ],
    }
}
