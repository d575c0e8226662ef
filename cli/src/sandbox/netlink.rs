//! Netlink messages: attributes, a batch of requests, and the kernel's answers.
//!
//! Written out by hand because three kinds of request are all that a sandbox needs, and neither `ip` nor `nft` has to
//! be installed then.

use std::io;
use std::os::fd::OwnedFd;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::unistd::{read, write};

/// Bytes in front of every message: length, type, flags, sequence number, port.
pub(super) const HEADER: usize = 16;

/// One attribute: length, type, value, padding to four bytes.
pub(super) fn attribute(kind: i32, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len() + 8);
    bytes.extend((value.len() as u16 + 4).to_ne_bytes());
    bytes.extend((kind as u16).to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute that holds attributes.
pub(super) fn nested(kind: i32, attributes: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | libc::NLA_F_NESTED, &attributes.concat())
}

/// An attribute that holds a text with its closing zero.
pub(super) fn text(kind: i32, value: &str) -> Vec<u8> {
    attribute(kind, &[value.as_bytes(), b"\0"].concat())
}

/// An attribute that holds a number in network order, as netfilter wants them.
pub(super) fn number(kind: i32, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

/// One message: `flags` beside the "request" that each has, then the family's own header and its attributes.
pub(super) fn message(kind: i32, flags: i32, header: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let body = attributes.concat();
    let mut bytes = Vec::with_capacity(HEADER + header.len() + body.len());
    bytes.extend(((HEADER + header.len() + body.len()) as u32).to_ne_bytes());
    bytes.extend((kind as u16).to_ne_bytes());
    bytes.extend(((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(header);
    bytes.extend(body);
    bytes
}

/// Opens a netlink socket in the network namespace of the caller.
pub(super) fn open(protocol: SockProtocol) -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?)
}

/// Sends a batch and waits until the kernel has acknowledged each message that asks for it; the first refusal is the
/// error.
pub(super) fn request(socket: &OwnedFd, messages: &[Vec<u8>]) -> io::Result<()> {
    let wanted = messages.iter().filter(|message| asks_for_answer(message)).count();
    write(socket, &messages.concat())?;
    let mut answered = 0;
    while answered < wanted {
        for_each(socket, |kind, body| {
            if kind == libc::NLMSG_ERROR {
                answered += 1;
                return refusal(body);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Reads one packet and hands out the type and the body of each message in it.
pub(super) fn for_each(
    socket: &OwnedFd,
    mut each: impl FnMut(i32, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut bytes = [0; 32 * 1024];
    let length = read(socket, &mut bytes)?;
    let mut rest = bytes.get(..length).unwrap_or_default();
    while let Some((size, kind)) = head(rest) {
        let Some(body) = rest.get(HEADER..size) else { break };
        each(kind, body)?;
        rest = rest.get(size.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(())
}

/// What a message of type `NLMSG_ERROR` says: 0 is the acknowledgement.
pub(super) fn refusal(body: &[u8]) -> io::Result<()> {
    match body.first_chunk().map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn asks_for_answer(message: &[u8]) -> bool {
    message.get(6).is_some_and(|flags| i32::from(*flags) & libc::NLM_F_ACK != 0)
}

fn head(bytes: &[u8]) -> Option<(usize, i32)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
    let kind = u16::from_ne_bytes(*rest.first_chunk::<2>()?);
    (length >= HEADER).then_some((length, i32::from(kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_but_their_length_is_not() {
        assert_eq!(attribute(1, b"abc"), [&7u16.to_ne_bytes()[..], &1u16.to_ne_bytes(), b"abc\0"].concat());
    }

    #[test]
    fn only_messages_with_the_flag_are_waited_for() {
        assert!(asks_for_answer(&message(1, libc::NLM_F_ACK, &[], &[])));
        assert!(!asks_for_answer(&message(1, 0, &[], &[])));
    }

    #[test]
    fn a_message_that_claims_less_than_its_header_ends_the_walk() {
        assert_eq!(head(&[8, 0, 0, 0, 1, 0, 0, 0]), None);
    }
}
