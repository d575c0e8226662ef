//! Decoders of bytes from the other end: the corpus of `fuzz/`, and what comes of it by a few changes. The seed is
//! fixed, so a failure is the same each time; `just fuzz` looks for new ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use devbridge_tunnel::{
    fuzz,
    message::{Env, MAX_MESSAGE, Open, Original, Refusal, Reply, ToAgent, ToLaptop, Unavailable, encode},
};

#[path = "../../fuzz/attack.rs"]
mod attack;

use attack::attack;

#[test]
fn a_carrier_s_datagrams_can_be_anything() {
    attack("frames", 3000, Vec::new(), fuzz::frames);
}

#[test]
fn a_carrier_s_first_bytes_can_be_anything() {
    attack("greetings", 3000, Vec::new(), fuzz::greetings);
}

#[test]
fn messages_can_be_anything() {
    fn bytes<T: serde::Serialize>(message: &T) -> Vec<u8> {
        encode(message, MAX_MESSAGE).unwrap().split_off(4)
    }
    let addr = "[2001:db8::1]:8080".parse().unwrap();
    let seeds = vec![
        bytes(&Open::Request { port: 8080, from: "192.0.2.1:5000".parse().unwrap(), waited: 0 }),
        bytes(&Open::Outbound { to: addr }),
        bytes(&Reply::Refused(Refusal::TimedOut)),
        bytes(&ToAgent::Hello { protocol: 2, release: "1.2.3".into() }),
        bytes(&ToAgent::Originals(vec![Original { port: 80, addr }; 3])),
        bytes(&ToAgent::Arm(Unavailable::Hold { millis: 5000 })),
        bytes(&ToLaptop::Welcome { protocol: 2, release: "1.2.3".into(), boot: [7; 16] }),
        bytes(&ToLaptop::ArmFailed("held".into())),
        bytes(&Env { variables: vec![(b"A".into(), b"b".into())], ..Env::default() }),
    ];
    attack("messages", 3000, seeds, fuzz::messages);
}
