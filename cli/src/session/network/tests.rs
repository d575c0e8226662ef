use std::net::Ipv4Addr;

use bytes::Bytes;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use proptest::prelude::*;
use tunnel::splice::{Observer, Way};
use tunnel::status::{News, Peer};
use tunnel::tasks::Tasks;

use super::*;
use crate::session::journal::Place;

const TOOK: Duration = Duration::from_micros(1500);

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name.parse().unwrap(), kind));
    message
}

fn answer(question: &Message, code: ResponseCode, data: Vec<RData>) -> Vec<u8> {
    let mut message = Message::response(7, OpCode::Query);
    message.metadata.response_code = code;
    message.add_queries(question.queries.clone());
    let name = question.queries[0].name.clone();
    message.add_answers(data.into_iter().map(|data| Record::from_rdata(name.clone(), 5, data)));
    message.to_vec().unwrap()
}

fn ask(contacts: &Contacts, name: &str, kind: RecordType, code: ResponseCode, data: Vec<RData>) -> Name {
    let question = question(name, kind);
    let answer = answer(&question, code, data);
    contacts.asked(&question.to_vec().unwrap(), Some(&answer), TOOK);
    contacts.now().dns.last().unwrap().clone()
}

fn a(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(10, 0, 0, last)))
}

fn to(port: u16) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1), port).into()
}

#[test]
fn names_have_their_answers_in_words() {
    let contacts = Contacts::default();
    let ask = |name, kind, code, data| ask(&contacts, name, kind, code, data);
    let alias = RData::CNAME(CNAME("other.shop.".parse().unwrap()));
    let found = ask("db.shop.", RecordType::A, ResponseCode::NoError, vec![alias, a(1), a(2)]);
    assert_eq!((found.name.as_str(), found.kind.as_str()), ("db.shop", "A"));
    assert_eq!((found.answer.as_str(), found.asked, found.failed), ("10.0.0.1, 10.0.0.2", 1, 0));
    assert_eq!((found.last_us, found.most_us), (1500, 1500));
    let many = ask("db.shop.", RecordType::A, ResponseCode::NoError, (1..8).map(a).collect());
    assert_eq!(many.answer, "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 3 more");
    assert_eq!(ask("db.shop.", RecordType::AAAA, ResponseCode::NoError, vec![]).answer, "no records");
    let gone = ask("db.shop.", RecordType::A, ResponseCode::NXDomain, vec![]);
    assert_eq!((gone.answer.as_str(), gone.asked, gone.failed), ("NXDOMAIN", 3, 1));
    assert_eq!(ask("x.", RecordType::A, ResponseCode::ServFail, vec![]).answer, "SERVFAIL");
    let text = RData::TXT(TXT::new(vec!["\u{1b}[2J".repeat(60)]));
    let text = ask("txt.shop.", RecordType::TXT, ResponseCode::NoError, vec![text]).answer;
    assert!(text.len() <= 160 && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn what_cannot_be_read_or_is_not_answered_is_counted() {
    let contacts = Contacts::default();
    contacts.asked(b"no question", None, TOOK);
    contacts.asked(b"", Some(b"no answer"), TOOK);
    let last = contacts.now().dns.last().unwrap().clone();
    assert_eq!((last.name.as_str(), last.kind.as_str(), last.asked, last.failed), ("", "?", 2, 2));
    let question = question("web.", RecordType::A).to_vec().unwrap();
    contacts.asked(&question, None, TOOK);
    assert_eq!(contacts.now().dns.last().unwrap().answer, "no answer");
    contacts.asked(&question, Some(b"?"), TOOK);
    assert_eq!(contacts.now().dns.last().unwrap().answer, "an answer that can't be read");
}

#[test]
fn addresses_have_the_names_that_they_were_asked_for_by() {
    let contacts = Contacts::default();
    ask(&contacts, "db.shop.", RecordType::A, ResponseCode::NoError, vec![a(1)]);
    contacts.dials(to(5432), None).failed("nothing listens there");
    let open = contacts.dials(to(5432), None).stands(None);
    let peer = || contacts.now().outbound.last().unwrap().clone();
    let Peer { address, name, connections, failed, open: now, why, .. } = peer();
    assert_eq!((address.as_str(), name.as_deref()), ("10.0.0.1:5432", Some("db.shop")));
    assert_eq!((connections, failed, now, why), (2, 1, 1, None));
    open.passed(Way::ToFlow, Bytes::from_static(b"question"));
    open.passed(Way::ToTcp, Bytes::from_static(b"no"));
    assert_eq!((peer().sent, peer().received), (8, 2));
    drop(open);
    assert_eq!((peer().open, peer().sent), (0, 8));
    contacts.dials(to(80), Some("the laptop")).failed("no route");
    assert_eq!((peer().name.as_deref(), peer().why.as_deref()), (Some("the laptop"), Some("no route")));
}

#[test]
fn the_tables_are_bounded_and_what_is_used_stays() {
    let contacts = Contacts::default();
    let first = contacts.dials(to(1), None).stands(None);
    for port in 2..=1000 {
        contacts.dials(to(port), None).failed("no");
        ask(&contacts, &format!("n{port}."), RecordType::A, ResponseCode::NXDomain, vec![]);
        if port % 100 == 0 {
            contacts.dials(to(2), None).failed("again");
        }
    }
    let now = contacts.now();
    assert_eq!((now.dns.len(), now.outbound.len()), (MOST, MOST));
    assert!(now.outbound.iter().any(|peer| peer.address.ends_with(":2") && peer.connections == 11));
    // The place of one that is still open was taken.
    first.count(Way::ToFlow, 1);
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn it_is_told_when_something_has_changed_and_not_too_often() {
    let (contacts, journal) = (Contacts::default(), Journal::new());
    let publishing = Tasks::default();
    publishing.spawn_until_stopped(contacts.clone().publish(journal.clone()));
    let (mut changes, mut place) = (journal.changes(), Place::default());
    let started = time::Instant::now();
    let open = contacts.dials(to(80), None).stands(None);
    for round in 1..=3u64 {
        changes.changed().await.unwrap();
        let news = journal.since(&mut place, 10);
        let [News::Network(network)] = news.as_slice() else { panic!("{news:?}") };
        assert_eq!(network.outbound[0].sent, (round - 1) * 10);
        (0..10).for_each(|_| open.count(Way::ToFlow, 1));
    }
    assert_eq!(started.elapsed(), 2 * PACE);
    // Nothing but what was counted last.
    changes.changed().await.unwrap();
    let quiet = time::timeout(10 * PACE, changes.changed()).await;
    assert!(quiet.is_err(), "nothing has changed");
}

proptest! {
    #[test]
    fn what_comes_from_elsewhere_is_never_more_than_one_short_line(
        question in prop::collection::vec(any::<u8>(), 0..100),
        answer in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
    ) {
        let contacts = Contacts::default();
        contacts.asked(&question, answer.as_deref(), TOOK);
        let now = contacts.now();
        prop_assert_eq!(now.dns.len(), 1);
        prop_assert!(now.dns[0].name.len() <= 255 && now.dns[0].answer.len() <= 160);
        let shown = format!("{}{}", now.dns[0].name, now.dns[0].answer);
        prop_assert!(!shown.chars().any(char::is_control));
    }
}
