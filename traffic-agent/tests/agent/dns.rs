//! Originals found by DNS, without any laptop.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, rdata::SRV},
};
use tokio::net::UdpSocket;

use crate::{
    rig::{GRACE, Rig},
    server::{Caller, Server, get},
    within,
};

/// Names below `shop.svc.test.`, as the cluster's DNS would have them.
#[derive(Clone, Default)]
struct Zone(Arc<Mutex<HashMap<String, Vec<RData>>>>);

impl Zone {
    fn set(&self, name: &str, data: Vec<RData>) {
        self.0.lock().unwrap().insert(format!("{name}.shop.svc.test."), data);
    }

    /// Originals with a name each, as CoreDNS gives them.
    fn set_originals(&self, originals: &[SocketAddr]) {
        let mut services = Vec::new();
        for (number, addr) in originals.iter().enumerate() {
            let target = Name::from_ascii(format!("pod-{number}.origin.shop.svc.test.")).unwrap();
            services.push(RData::SRV(SRV::new(0, 50, addr.port(), target)));
            self.set(&format!("pod-{number}.origin"), vec![RData::from(addr.ip())]);
        }
        self.set("_http._tcp.origin", services);
    }

    fn set_agents(&self, agents: &[&str]) {
        let ips = agents.iter().map(|ip| RData::from(ip.parse::<IpAddr>().unwrap()));
        self.set("agents", ips.collect());
    }

    async fn serve(&self) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let zone = self.clone();
        tokio::spawn(async move {
            let mut bytes = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                if let Some(answer) = zone.answer(&bytes[..length]) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        addr
    }

    fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_available = true;
        let zone = self.0.lock().unwrap();
        match zone.get(&query.name().to_ascii().to_ascii_lowercase()) {
            None => answer.metadata.response_code = ResponseCode::NXDomain,
            Some(data) => {
                let wanted = |data: &&RData| data.record_type() == query.query_type();
                let record = |data: &RData| Record::from_rdata(query.name().clone(), 5, data.clone());
                answer.add_answers(data.iter().filter(wanted).map(record).collect::<Vec<_>>());
            }
        }
        answer.add_query(query);
        answer.to_vec().ok()
    }
}

#[tokio::test]
async fn originals_serve_before_any_laptop_was_there() {
    let (zone, original) = (Zone::default(), Server::start("original").await);
    zone.set_originals(&[original.addr]);
    let rig = Rig::start_with(vec![zone.serve().await], GRACE).await;
    assert_eq!(get(rig.callers).await, "original GET ");
}

#[tokio::test]
async fn new_originals_are_found_when_the_known_ones_fail() {
    let (zone, first) = (Zone::default(), Server::start("first").await);
    zone.set_originals(&[first.addr]);
    let rig = Rig::start_with(vec![zone.serve().await], GRACE).await;
    assert_eq!(get(rig.callers).await, "first GET ");
    let second = Server::start("second").await;
    first.kill().await;
    zone.set_originals(&[second.addr]);
    within("the second", async {
        while Caller::connect(rig.callers).await.try_ask("GET", "").await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn another_agent_is_never_an_original() {
    let (zone, original) = (Zone::default(), Server::start("original").await);
    let agent = Server::start_at("127.0.0.2:0".parse().unwrap(), "agent", Default::default()).await;
    zone.set_agents(&["127.0.0.2"]);
    zone.set_originals(&[agent.addr, original.addr]);
    let rig = Rig::start_with(vec![zone.serve().await], GRACE).await;
    for _ in 0..4 {
        assert_eq!(get(rig.callers).await, "original GET ");
    }
}
