use super::*;
use crate::keeper::{answers, ask::Answer};

/// One second of the API server's and the agents' lives at a time.
struct Story {
    state: State,
    now: Instant,
    records: Vec<Record>,
    services: BTreeMap<String, String>,
    ready: BTreeMap<String, bool>,
    api: bool,
    agent: Option<Answer>,
}

impl Story {
    /// Service `web` leads to agent `web-devbridge`, which is ready and held by record `devbridge-web`.
    fn swapped() -> Self {
        let mut state = State::new();
        state.pods(vec![pod("p1")]);
        Self {
            state,
            now: Instant::now(),
            records: vec![record("devbridge-web", "1", Some("web-devbridge"))],
            services: BTreeMap::from([("web".into(), "web-devbridge".into())]),
            ready: BTreeMap::from([("web".into(), true), ("shop".into(), true)]),
            api: true,
            agent: Some(Answer::Ready),
        }
    }

    /// So many seconds pass; all that was done in them, each once.
    fn pass(&mut self, seconds: u64) -> Vec<Action> {
        let mut done = Vec::new();
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            if self.api {
                self.state.services(&self.services);
                self.state.endpoints(self.ready.clone());
                self.state.records(self.now, self.now, self.records.clone());
            }
            if let Some(answer) = self.agent {
                for asked in [self.now - answers::EVERY, self.now] {
                    self.state.told(&told("p1", asked, answer));
                }
            }
            for action in self.state.decide(self.now) {
                match &action {
                    Action::TakeKey { service, .. } => drop(self.services.remove(service)),
                    Action::DeleteRecord(lease) => self.records.retain(|record| record.lease != *lease),
                    Action::DeletePod { .. } => self.state.pods(vec![]),
                    Action::End => {}
                }
                done.push(action);
            }
        }
        done
    }

    fn renew(&mut self) {
        for record in &mut self.records {
            record.lease.version.push('x');
        }
    }

    fn live(&mut self, seconds: u64) -> Vec<Action> {
        (0..seconds / 5)
            .flat_map(|_| {
                self.renew();
                self.pass(5)
            })
            .collect()
    }
}

fn record(name: &str, version: &str, agent: Option<&str>) -> Record {
    Record { lease: exactly(name, version), agent: agent.map(str::to_owned) }
}

fn exactly(name: &str, version: &str) -> Exactly {
    Exactly { name: name.into(), uid: "u".into(), version: version.into() }
}

fn pod(uid: &str) -> AgentPod {
    let (name, agent) = (format!("web-devbridge-{uid}"), "web-devbridge".into());
    AgentPod { name, uid: uid.into(), agent, ip: [10, 0, 0, 9].into(), port: 8089 }
}

fn told(uid: &str, asked: Instant, answer: Answer) -> Told {
    Told { uid: uid.into(), asked, answer }
}

fn key_off(why: Why) -> Action {
    Action::TakeKey { service: "web".into(), agent: "web-devbridge".into(), why }
}

fn deleted(version: &str) -> Action {
    Action::DeleteRecord(exactly("devbridge-web", version))
}

#[test]
fn a_session_that_is_renewed_is_left_alone() {
    let mut story = Story::swapped();
    assert_eq!(story.live(600), []);
}

#[test]
fn two_stages_end_an_abandoned_session_and_then_the_keeper() {
    let mut story = Story::swapped();
    // The first second is when it is seen first.
    assert_eq!(story.pass(15), []);
    assert_eq!(story.pass(1), [key_off(Why::Abandoned)]);
    assert_eq!(story.pass(59), []);
    assert_eq!(story.pass(1), [deleted("1")]);
    assert_eq!(story.pass(5), []);
    assert_eq!(story.pass(1), [Action::End]);
}

#[test]
fn a_laptop_that_is_back_within_its_resume_time_keeps_its_record() {
    let mut story = Story::swapped();
    assert_eq!(story.pass(60), [key_off(Why::Abandoned)]);
    assert_eq!(story.live(60), []);
    story.services.insert("web".into(), "web-devbridge".into());
    assert_eq!(story.live(60), []);
}

#[test]
fn time_in_which_the_api_server_is_away_does_not_count() {
    let mut story = Story::swapped();
    story.pass(14);
    story.api = false;
    assert_eq!(story.pass(100), []);
    story.api = true;
    // The laptop could not renew before now; it has a whole ttl for it.
    assert_eq!(story.pass(15), []);
    assert_eq!(story.pass(1), [key_off(Why::Abandoned)]);
}

#[test]
fn an_agent_that_stops_answering_loses_its_key_within_two_seconds() {
    let mut story = Story::swapped();
    story.live(5);
    story.agent = Some(Answer::Unready);
    assert_eq!(story.pass(1), []);
    story.agent = Some(Answer::Ready);
    assert_eq!(story.pass(1), []);
    story.agent = Some(Answer::Unready);
    assert_eq!(story.pass(2), [key_off(Why::Silent)]);
}

#[test]
fn an_agent_that_never_answered_the_keeper_is_not_called_silent() {
    let mut story = Story::swapped();
    story.agent = Some(Answer::Unready);
    assert_eq!(story.live(30), []);
}

#[test]
fn the_pod_of_an_agent_whose_machine_is_silent_is_deleted() {
    let pod_deleted = Action::DeletePod { name: "web-devbridge-p1".into(), uid: "p1".into() };
    let mut story = Story::swapped();
    story.live(5);
    story.agent = Some(Answer::Silence);
    assert_eq!(story.pass(3), [key_off(Why::Silent), pod_deleted]);
    assert_eq!(story.live(30), []);
}

#[test]
fn the_pod_of_an_agent_that_is_unready_or_was_never_seen_is_left_alone() {
    let mut story = Story::swapped();
    story.agent = Some(Answer::Silence);
    assert_eq!(story.live(30), [], "out of reach for the keeper, by a network policy");
    story.agent = Some(Answer::Ready);
    story.live(5);
    story.agent = Some(Answer::Unready);
    assert_eq!(story.live(30), [key_off(Why::Silent)]);
}

#[test]
fn a_second_pod_that_answers_keeps_the_key() {
    let mut story = Story::swapped();
    story.live(5);
    story.state.pods(vec![pod("p1"), pod("p2")]);
    story.state.told(&told("p2", story.now, Answer::Ready));
    story.agent = Some(Answer::Unready);
    assert_eq!(story.live(5), []);
    story.state.pods(vec![pod("p1")]);
    assert_eq!(story.pass(1), [key_off(Why::Silent)]);
}

#[test]
fn a_swapped_service_without_a_ready_endpoint_loses_its_key_at_once() {
    for unready in [BTreeMap::from([("web".to_owned(), false)]), BTreeMap::new()] {
        let mut story = Story::swapped();
        story.live(5);
        story.ready = unready;
        assert_eq!(story.pass(1), [key_off(Why::NoEndpoint)]);
        assert_eq!(story.live(30), [], "the session itself is left alone");
    }
}

#[test]
fn nothing_is_decided_before_endpoints_are_known() {
    let mut state = State::new();
    let now = Instant::now();
    state.services(&BTreeMap::from([("web".into(), "web-devbridge".into())]));
    state.records(now, now, vec![]);
    state.records(now + Duration::from_secs(3), now + Duration::from_secs(3), vec![]);
    state.records(now + Duration::from_secs(6), now + Duration::from_secs(6), vec![]);
    assert_eq!(state.decide(now + Duration::from_secs(6)), []);
}

#[test]
fn a_key_without_a_record_is_taken_off_and_a_moment_without_one_is_not_enough() {
    let mut story = Story::swapped();
    story.live(5);
    let records = std::mem::take(&mut story.records);
    assert_eq!(story.pass(3), [], "a takeover's moment");
    story.records = records;
    assert_eq!(story.live(30), []);
    story.records.clear();
    assert_eq!(story.pass(6), [key_off(Why::Unclaimed)]);
}

#[test]
fn forged_records_do_nothing_to_what_a_living_session_holds() {
    let mut story = Story::swapped();
    let mut forged = vec![
        record("devbridge-a", "1", Some("web-devbridge")),
        record("devbridge-b", "1", Some("shop")),
        record("devbridge-c", "1", Some("kubernetes")),
        record("devbridge-d", "1", None),
    ];
    story.records.append(&mut forged);
    let mut done = Vec::new();
    for _ in 0..18 {
        story.records[0].lease.version.push('x');
        done.extend(story.pass(5));
    }
    // Nobody renews them, so they go; no Service loses a key, and no Service is touched that has none.
    let names: Vec<_> = done
        .iter()
        .map(|action| match action {
            Action::DeleteRecord(lease) => lease.name.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["devbridge-a", "devbridge-b", "devbridge-c", "devbridge-d"]);
}

#[test]
fn a_record_of_the_same_name_that_is_another_one_has_its_own_time() {
    let mut story = Story::swapped();
    story.pass(15);
    story.records[0].lease.uid = "other".into();
    assert_eq!(story.pass(15), []);
    assert_eq!(story.pass(1), [key_off(Why::Abandoned)]);
}

#[test]
fn an_action_that_does_not_work_is_tried_once_a_second() {
    let mut story = Story::swapped();
    story.pass(16);
    story.state.services(&BTreeMap::from([("web".into(), "web-devbridge".into())]));
    let quarter = |n: u32| story.now + Duration::from_millis(250) * n;
    let tries: Vec<_> = (1..=12).map(|n| story.state.decide(quarter(n)).len()).collect();
    assert_eq!(tries.iter().sum::<usize>(), 3, "{tries:?}");
}

#[test]
fn only_so_many_pods_are_asked() {
    let mut state = State::new();
    state.pods((0..1000).map(|n| pod(&n.to_string())).collect());
    assert_eq!(state.to_ask().len(), PODS);
}
