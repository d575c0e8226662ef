//! Whatever is pressed, whatever comes, however large the terminal is: a picture is drawn, and Ctrl-C closes it.

use std::sync::Arc;

use inspector::{Direction, End, Exchange, Route};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tunnel::status::{
    Event, Level, Link, Name, Network, Peer, Phase, Process, Said, Save, Serving, Session, SyncedPod,
};

use super::sample;
use crate::command::{Command, Screen};
use crate::feed::{Answer, By, Source, Update};
use crate::input::key::{Code, Key};
use crate::input::keymap::bindings;
use crate::state::{Closed, Effect, State};
use crate::theme::{Look, Theme};
use crate::view::{self, Scene};

/// What may happen to a dashboard.
#[derive(Debug, Clone)]
enum Step {
    Keys(Vec<Key>),
    Say(Command),
    Update(Box<Update>),
    Resize(u16, u16),
    Theme(Theme, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![(0..200_u16, 0..60_u16), (0..8_u16, 0..8_u16), (50..90_u16, 10..26_u16)];
    let filter = prop_oneof![text(), select(vec!["e", "S", "注"]).prop_map(str::to_owned)];
    let theme = select(vec![Theme::Dark, Theme::Light, Theme::Plain]);
    prop_oneof![
        6 => prop::collection::vec(key(), 1..6).prop_map(Step::Keys),
        1 => select(Screen::ALL.to_vec()).prop_map(|screen| Step::Say(Command::Go(screen))),
        1 => filter.prop_map(|text| Step::Say(Command::FilterBy(text))),
        6 => update().prop_map(|update| Step::Update(Box::new(update))),
        2 => size.prop_map(|(width, height)| Step::Resize(width, height)),
        1 => (theme, any::<bool>()).prop_map(|(theme, ascii)| Step::Theme(theme, ascii)),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    let closing = [Command::Quit, Command::Interrupt];
    let bound = bindings().into_iter().filter(|binding| !closing.contains(&binding.command));
    let bound: Vec<_> = bound.flat_map(|binding| binding.keys).collect();
    let typing = [Code::Enter, Code::Backspace, Code::Delete, Code::Tab, Code::Esc].map(Key::plain);
    prop_oneof![
        4 => select(bound),
        1 => select(typing.to_vec()),
        1 => select(vec!['a', 'y', 'q', '注', '~', ' ']).prop_map(Key::char),
        1 => select(vec!['w', 'k', 'a', 'e']).prop_map(Key::ctrl),
    ]
}

/// Short, long, wide, and what would move a cursor.
fn text() -> impl Strategy<Value = String> {
    let odd = vec![
        "",
        "src/api.ts",
        "Error: no stock",
        "WARN slow",
        "\u{1b}[31mred\u{1b}[0m",
        "a\tb\r\nc",
        "注文の一覧を取得しました",
        "e\u{301}\u{200d}👩‍👩‍👧 🇩🇪",
        "\u{202e}desrever\u{2066}",
        "\u{1b}]0;no end",
        "İstanbul ſ",
    ];
    prop_oneof![
        4 => select(odd).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => "[\\x00-\\x9f]{0,12}",
        1 => (0..400_usize).prop_map(|len| "long words ".repeat(len)),
        1 => (0..400_usize).prop_map(|len| "注".repeat(len)),
    ]
}

/// Those of the samples, and another.
fn id() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(sample::orders().id), 1 => Just(sample::cart().id), 1 => Just("c".to_owned())]
}

/// Numbers where something may overflow.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..5_u64, 0..5000_u64, Just(sample::ago_ms(5)), Just(u64::MAX), Just(u64::MAX - 1)]
}

fn update() -> impl Strategy<Value = Update> {
    let level = select(vec![Level::Info, Level::State, Level::Warning, Level::Failure]);
    let source = select(vec![Source::Process, Source::Originals, Source::Agent]);
    let by = select(vec![By::Devbridge, By::Kubernetes]);
    let event = (id(), by, number(), level, text()).prop_map(|(session, by, at_ms, level, text)| {
        Update::Event { session, by, event: Event { at_ms, level, text } }
    });
    let line = (id(), source, prop::option::of(text()), number(), text());
    let line = line.prop_map(|(session, source, pod, at_ms, text)| Update::Line {
        session,
        source,
        pod,
        line: Said { at_ms, text },
    });
    prop_oneof![
        3 => session().prop_map(|session| Update::Session(Box::new(session))),
        1 => (id(), text()).prop_map(|(session, why)| Update::Lost { session, why }),
        1 => id().prop_map(|session| Update::Ended { session }),
        1 => id().prop_map(|session| Update::Anew { session }),
        3 => (id(), exchange()).prop_map(|(session, exchange)| Update::Exchange { session, exchange }),
        1 => (id(), 0..9_u64).prop_map(|(session, up_to)| Update::Forgotten { session, up_to }),
        3 => event,
        3 => line,
        2 => (id(), network()).prop_map(|(session, network)| Update::Network { session, network }),
        2 => (id(), save()).prop_map(|(session, save)| Update::Save { session, save }),
        1 => (id(), number()).prop_map(|(session, count)| Update::Missed { session, count }),
        2 => answer().prop_map(Update::Answer),
    ]
}

fn session() -> impl Strategy<Value = Session> {
    let phase = select(vec![Phase::Attaching, Phase::Attached, Phase::Leaving]);
    let link = prop_oneof![
        Just(Link::Connecting),
        Just(Link::Lost),
        number().prop_map(|round_trip_us| Link::Up { round_trip_us })
    ];
    let process = select(vec![Process::None, Process::Running { pid: 8 }, Process::Exited { code: -1 }]);
    let serving = prop_oneof![
        Just(Serving::Laptop),
        Just(Serving::Pod),
        text().prop_map(|why| Serving::Originals { why }),
        text().prop_map(|why| Serving::Nobody { why }),
    ];
    let pod = (text(), number(), any::<bool>(), prop::option::of(text()));
    let pod = pod.prop_map(|(name, generation, in_sync, why)| SyncedPod { name, generation, in_sync, why });
    let synced = prop::option::of((text(), number(), prop::collection::vec(pod, 0..6)));
    let all = (id(), text(), phase, link, process, serving, number(), synced);
    all.prop_map(|(id, target, phase, link, process, serving, number, synced)| {
        let of = if synced.is_some() { sample::cart() } else { sample::orders() };
        let sync = of.sync.zip(synced).map(|(sync, (from, generation, pods))| tunnel::status::Sync {
            from,
            generation,
            pods,
            ..sync
        });
        let since = if number % 2 == 0 { of.since } else { target.clone() };
        Session {
            id,
            target,
            phase,
            link,
            process,
            serving,
            restarts: number,
            sync,
            since,
            ..sample::orders()
        }
    })
}

fn exchange() -> impl Strategy<Value = Arc<Exchange>> {
    let started = prop_oneof![Just(sample::now()), Just(Timestamp::MIN), Just(Timestamp::MAX)];
    let ends = vec![None, Some(End::Complete), Some(End::Cut), Some(End::Elsewhere), Some(End::Unread)];
    let all =
        (1..12_u64, started, text(), text(), any::<Option<u16>>(), select(ends), number(), any::<bool>());
    all.prop_map(|(id, started, method, target, status, end, number, outbound)| {
        let mut exchange = sample::exchange(id, 1, &method, &target, 200);
        if outbound {
            exchange.direction = Direction::Outbound;
            exchange.route = Route::Cluster { why: target.clone() };
        }
        (exchange.started, exchange.status, exchange.end) = (started, status, end);
        exchange.timing.total_us = Some(number);
        exchange.request.body.kept = target.into_bytes().into();
        exchange.request.body.size = number;
        exchange.replay_of = (number == 3).then_some(1);
        Arc::new(exchange)
    })
}

fn network() -> impl Strategy<Value = Box<Network>> {
    let row = || (text(), text(), number(), number(), prop::option::of(text()));
    let name = row().prop_map(|(name, answer, asked, failed, _)| Name {
        name,
        kind: "A".into(),
        answer,
        asked,
        failed,
        last_us: asked,
        most_us: failed,
        at_ms: asked,
    });
    let peer = row().prop_map(|(address, name, sent, failed, why)| Peer {
        address,
        name: Some(name),
        connections: sent,
        failed,
        open: failed,
        sent,
        received: sent,
        last_us: sent,
        most_us: sent,
        why,
        at_ms: failed,
    });
    let rows = (prop::collection::vec(name, 0..12), prop::collection::vec(peer, 0..12));
    rows.prop_map(|(dns, outbound)| Box::new(Network { dns, outbound }))
}

fn save() -> impl Strategy<Value = Save> {
    let ms = || prop::option::of(number());
    let all = (number(), number(), text(), number(), ms(), ms(), prop::option::of(text()));
    all.prop_map(|(generation, at_ms, what, files, synced_ms, listens_ms, failed)| Save {
        generation,
        at_ms,
        what,
        files,
        bytes: files,
        synced_ms,
        listens_ms,
        failed,
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let opened = (id(), exchange(), any::<bool>());
    let lines = || prop::collection::vec(text(), 0..40);
    prop_oneof![
        opened.prop_map(|(session, exchange, revealed)| Answer::Opened { session, exchange, revealed }),
        (id(), 0..9_u64, 0..9_u64).prop_map(|(session, of, id)| Answer::Replayed { session, of, id }),
        text().prop_map(Answer::Done),
        lines().prop_map(Answer::Failed),
        (text(), lines()).prop_map(|(title, lines)| Answer::Told { title, lines }),
    ]
}

/// A terminal of a size that can change.
struct Drawn {
    terminal: Terminal<TestBackend>,
    scene: Scene,
}

impl Drawn {
    fn draw(&mut self, state: &mut State) {
        self.terminal.draw(|frame| view::draw(state, &self.scene, frame)).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_picture_is_drawn_and_ctrl_c_closes_it(
        samples in prop::bool::weighted(0.8),
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let mut state = State::new();
        let scene = Scene { look: Look::default(), zone: jiff::tz::TimeZone::UTC, now: sample::now() };
        let mut drawn = Drawn { terminal: Terminal::new(TestBackend::new(80, 24)).unwrap(), scene };
        if samples {
            sample::updates().into_iter().for_each(|update| drop(state.update(update)));
        }
        for step in steps {
            match step {
                Step::Keys(keys) => keys.into_iter().for_each(|key| drop(state.key(key))),
                Step::Say(command) => drop(state.command(&command)),
                Step::Update(update) => drop(state.update(*update)),
                Step::Resize(width, height) => drawn.terminal.backend_mut().resize(width, height),
                Step::Theme(theme, ascii) => drawn.scene.look = Look { theme, ascii },
            }
            drawn.draw(&mut state);
        }
        prop_assert!(state.key(Key::ctrl('c')).contains(&Effect::Close(Closed::Interrupted)));
    }
}
