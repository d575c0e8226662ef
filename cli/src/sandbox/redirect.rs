//! The rules inside: what a process sends to the network comes to the capture sockets, or is refused.
//!
//! Per family one nftables table with two chains: `nat` turns the first packet of a connection (connection tracking
//! does the rest), `guard` answers everything that is neither turned nor the process's own loopback.

use std::io;

use nix::libc;
use nix::sys::socket::SockProtocol;

use super::netlink::{self, attribute, message, nested, number, text};
use super::network::{CAPTURE_PORT, OWN_V4, OWN_V6};

const TABLE: &str = "devbridge";

/// Where destination addresses stand in the network header, which of them stay inside, how a refusal looks.
struct Family {
    number: u8,
    /// Offset of the destination address in its header.
    destination: u32,
    /// Leading bytes of destinations that are the process's own.
    own: [Vec<u8>; 2],
    /// ICMP code of "port unreachable".
    unreachable: u8,
}

/// Loads the rules; needs the capture sockets' port only, not the sockets.
pub(super) fn install(ipv6: bool) -> io::Result<()> {
    let socket = netlink::open(SockProtocol::NetlinkNetFilter)?;
    let v4 = Family {
        number: libc::NFPROTO_IPV4 as u8,
        destination: 16,
        own: [vec![127], OWN_V4.octets().to_vec()],
        unreachable: 3,
    };
    netlink::request(&socket, &table(&v4))?;
    if ipv6 {
        let loopback = std::net::Ipv6Addr::LOCALHOST.octets().to_vec();
        let v6 = Family {
            number: libc::NFPROTO_IPV6 as u8,
            destination: 24,
            own: [loopback, OWN_V6.octets().to_vec()],
            unreachable: 4,
        };
        netlink::request(&socket, &table(&v6))?;
    }
    Ok(())
}

/// One transaction that makes a family's table.
fn table(family: &Family) -> Vec<Vec<u8>> {
    let stays = family.own.iter().map(|own| [destination_is(family, own), vec![accept()]].concat());
    let mut batch = vec![bracket(libc::NFNL_MSG_BATCH_BEGIN)];
    batch.push(new(family, libc::NFT_MSG_NEWTABLE, &[text(abi::TABLE_NAME, TABLE)]));
    batch.push(chain(family, "nat", "nat", libc::NF_IP_PRI_NAT_DST));
    batch.push(chain(family, "guard", "filter", libc::NF_IP_PRI_FILTER));
    for own in stays {
        batch.push(rule(family, "nat", &own));
        batch.push(rule(family, "guard", &own));
    }
    batch.push(rule(family, "nat", &[protocol_is(libc::IPPROTO_TCP), to_capture()].concat()));
    let to_dns = [protocol_is(libc::IPPROTO_UDP), port_is(53), to_capture()].concat();
    batch.push(rule(family, "nat", &to_dns));
    batch.push(rule(family, "guard", &[refuse(family)]));
    batch.push(bracket(libc::NFNL_MSG_BATCH_END));
    batch
}

fn chain(family: &Family, name: &str, kind: &str, priority: i32) -> Vec<u8> {
    let hook = [
        number(abi::HOOK_HOOKNUM, libc::NF_INET_LOCAL_OUT as u32),
        number(abi::HOOK_PRIORITY, priority.cast_unsigned()),
    ];
    let attributes = [
        text(abi::CHAIN_TABLE, TABLE),
        text(abi::CHAIN_NAME, name),
        nested(abi::CHAIN_HOOK, &hook),
        text(abi::CHAIN_TYPE, kind),
    ];
    new(family, libc::NFT_MSG_NEWCHAIN, &attributes)
}

fn rule(family: &Family, chain: &str, expressions: &[Vec<u8>]) -> Vec<u8> {
    let attributes = [
        text(abi::RULE_TABLE, TABLE),
        text(abi::RULE_CHAIN, chain),
        nested(abi::RULE_EXPRESSIONS, expressions),
    ];
    new(family, libc::NFT_MSG_NEWRULE, &attributes)
}

fn destination_is(family: &Family, bytes: &[u8]) -> Vec<Vec<u8>> {
    let at = family.destination;
    vec![load(libc::NFT_PAYLOAD_NETWORK_HEADER, at, bytes.len() as u32), equals(bytes)]
}

fn port_is(port: u16) -> Vec<Vec<u8>> {
    vec![load(libc::NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2), equals(&port.to_be_bytes())]
}

fn protocol_is(protocol: i32) -> Vec<Vec<u8>> {
    let meta = [register(abi::META_DREG), number(abi::META_KEY, libc::NFT_META_L4PROTO as u32)];
    vec![expression("meta", &meta), equals(&[protocol as u8])]
}

fn load(base: i32, offset: u32, length: u32) -> Vec<u8> {
    let payload = [
        register(abi::PAYLOAD_DREG),
        number(abi::PAYLOAD_BASE, base.cast_unsigned()),
        number(abi::PAYLOAD_OFFSET, offset),
        number(abi::PAYLOAD_LEN, length),
    ];
    expression("payload", &payload)
}

fn equals(value: &[u8]) -> Vec<u8> {
    let compare = [
        register(abi::CMP_SREG),
        number(abi::CMP_OP, libc::NFT_CMP_EQ as u32),
        nested(abi::CMP_DATA, &[attribute(abi::DATA_VALUE, value)]),
    ];
    expression("cmp", &compare)
}

fn accept() -> Vec<u8> {
    let verdict = [number(abi::VERDICT_CODE, libc::NF_ACCEPT.cast_unsigned())];
    let data = [nested(abi::DATA_VERDICT, &verdict)];
    let immediate =
        [number(abi::IMMEDIATE_DREG, libc::NFT_REG_VERDICT as u32), nested(abi::IMMEDIATE_DATA, &data)];
    expression("immediate", &immediate)
}

/// Sets the destination to the loopback address and the capture port.
fn to_capture() -> Vec<Vec<u8>> {
    let port = [attribute(abi::DATA_VALUE, &CAPTURE_PORT.to_be_bytes())];
    let immediate = [register(abi::IMMEDIATE_DREG), nested(abi::IMMEDIATE_DATA, &port)];
    vec![expression("immediate", &immediate), expression("redir", &[register(abi::REDIR_PROTO_MIN)])]
}

/// Drops the packet and says so: the sender gets an error from the call itself or from the next one.
fn refuse(family: &Family) -> Vec<u8> {
    let reject = [
        number(abi::REJECT_TYPE, abi::REJECT_WITH_ICMP),
        attribute(abi::REJECT_ICMP_CODE, &[family.unreachable]),
    ];
    expression("reject", &reject)
}

fn register(attribute: i32) -> Vec<u8> {
    number(attribute, libc::NFT_REG_1 as u32)
}

fn expression(name: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let expression = [text(abi::EXPR_NAME, name), nested(abi::EXPR_DATA, attributes)];
    nested(abi::LIST_ELEM, &expression)
}

fn new(family: &Family, kind: i32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_APPEND;
    message(libc::NFNL_SUBSYS_NFTABLES << 8 | kind, flags, &[family.number, 0, 0, 0], attributes)
}

/// Begin or end of a transaction.
fn bracket(kind: i32) -> Vec<u8> {
    let [high, low] = (libc::NFNL_SUBSYS_NFTABLES as u16).to_be_bytes();
    message(kind, 0, &[libc::AF_UNSPEC as u8, 0, high, low], &[])
}

/// Attribute numbers of the kernel's nf_tables.h, without their `NFTA_`.
mod abi {
    pub(super) const TABLE_NAME: i32 = 1;
    pub(super) const CHAIN_TABLE: i32 = 1;
    pub(super) const CHAIN_NAME: i32 = 3;
    pub(super) const CHAIN_HOOK: i32 = 4;
    pub(super) const CHAIN_TYPE: i32 = 7;
    pub(super) const HOOK_HOOKNUM: i32 = 1;
    pub(super) const HOOK_PRIORITY: i32 = 2;
    pub(super) const RULE_TABLE: i32 = 1;
    pub(super) const RULE_CHAIN: i32 = 2;
    pub(super) const RULE_EXPRESSIONS: i32 = 4;
    pub(super) const LIST_ELEM: i32 = 1;
    pub(super) const EXPR_NAME: i32 = 1;
    pub(super) const EXPR_DATA: i32 = 2;
    pub(super) const DATA_VALUE: i32 = 1;
    pub(super) const DATA_VERDICT: i32 = 2;
    pub(super) const VERDICT_CODE: i32 = 1;
    pub(super) const META_DREG: i32 = 1;
    pub(super) const META_KEY: i32 = 2;
    pub(super) const PAYLOAD_DREG: i32 = 1;
    pub(super) const PAYLOAD_BASE: i32 = 2;
    pub(super) const PAYLOAD_OFFSET: i32 = 3;
    pub(super) const PAYLOAD_LEN: i32 = 4;
    pub(super) const CMP_SREG: i32 = 1;
    pub(super) const CMP_OP: i32 = 2;
    pub(super) const CMP_DATA: i32 = 3;
    pub(super) const IMMEDIATE_DREG: i32 = 1;
    pub(super) const IMMEDIATE_DATA: i32 = 2;
    pub(super) const REDIR_PROTO_MIN: i32 = 1;
    pub(super) const REJECT_TYPE: i32 = 1;
    pub(super) const REJECT_ICMP_CODE: i32 = 2;
    pub(super) const REJECT_WITH_ICMP: u32 = 0;
}
