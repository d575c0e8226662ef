//! HTTP/1.0 and 1.1: requests one after the other, and answers in the same order.
//!
//! Strict where two readers could differ, as the agent's own reader of these bytes is: a boundary is never seen where the
//! server sees none.

mod body;
mod head;
mod start;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Instant};

use self::{
    body::{Framed, Part},
    head::{Answer, Request},
    start::{Kind, Start},
};
use super::{Side, Unreadable, progress::Context};
use crate::exchange;

/// One connection.
#[derive(Debug)]
pub(super) struct Http1 {
    asking: Asking,
    answering: Answering,
    /// Requests whose answer's head has not come yet, oldest first.
    waiting: VecDeque<Asked>,
}

#[derive(Debug)]
enum Asking {
    Head(Start),
    Body(u64, Framed),
    /// After CONNECT: only the answer says what comes.
    Tunnel,
    /// Bytes have come that only the answer could have explained.
    Ahead,
}

#[derive(Debug)]
enum Answering {
    Head(Start),
    Body(u64, Framed),
}

/// What matters of a request for its answer.
#[derive(Debug)]
struct Asked {
    key: u64,
    head: bool,
    connect: bool,
    websocket: bool,
}

/// What comes after an answer's head.
enum After {
    Http,
    WebSocket(u64),
}

impl Default for Http1 {
    fn default() -> Self {
        Self {
            asking: Asking::Head(Start::new(Kind::Request)),
            answering: Answering::Head(Start::new(Kind::Answer)),
            waiting: VecDeque::new(),
        }
    }
}

impl Http1 {
    /// Reads `bytes`. Gives the key of an exchange that goes on as a WebSocket; its frames are what is left of `bytes`.
    pub(super) fn feed(
        &mut self,
        side: Side,
        bytes: &mut &[u8],
        context: &mut Context<'_>,
    ) -> Result<Option<u64>, Unreadable> {
        match side {
            Side::Asker => self.ask(bytes, context).map(|()| None),
            Side::Answerer => self.answer(bytes, context),
        }
    }

    /// `side` has said all.
    pub(super) fn finish(&mut self, side: Side, context: &mut Context<'_>) {
        match (side, &self.answering) {
            (Side::Asker, _) => context.all_asked(),
            (Side::Answerer, Answering::Body(key, framed)) if framed.ends_with_connection() => {
                context.over(*key, side);
            }
            (Side::Answerer, _) => {}
        }
    }

    fn ask(&mut self, bytes: &mut &[u8], context: &mut Context<'_>) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            match &mut self.asking {
                Asking::Head(start) => {
                    let Some((head, began)) = start.feed(bytes, context)? else { return Ok(()) };
                    let Request { request, body, connect, websocket } = head::request(&head)?;
                    let head = request.method == "HEAD";
                    let key = context.begin(request, began)?;
                    self.waiting.push_back(Asked { key, head, connect, websocket });
                    self.asking = match body {
                        _ if connect => Asking::Tunnel,
                        Some(framed) => Asking::Body(key, framed),
                        None => Asking::Head(Start::new(Kind::Request)),
                    };
                    if !matches!(self.asking, Asking::Body(..)) {
                        context.over(key, Side::Asker);
                    }
                }
                Asking::Body(key, framed) => {
                    if follow(framed, *key, Side::Asker, bytes, context)? {
                        self.asking = Asking::Head(Start::new(Kind::Request));
                    }
                }
                Asking::Tunnel | Asking::Ahead => {
                    self.asking = Asking::Ahead;
                    *bytes = &[];
                }
            }
        }
        Ok(())
    }

    fn answer(&mut self, bytes: &mut &[u8], context: &mut Context<'_>) -> Result<Option<u64>, Unreadable> {
        while !bytes.is_empty() {
            match &mut self.answering {
                Answering::Head(start) => {
                    if self.waiting.is_empty() {
                        // Nobody asked: a server that speaks first.
                        return Err(Unreadable);
                    }
                    let Some((head, began)) = start.feed(bytes, context)? else { return Ok(None) };
                    self.answering = Answering::Head(Start::new(Kind::Answer));
                    let answer = head::answer(&head)?;
                    if let After::WebSocket(key) = self.answered(answer, began, context)? {
                        return Ok(Some(key));
                    }
                }
                Answering::Body(key, framed) => {
                    if follow(framed, *key, Side::Answerer, bytes, context)? {
                        self.answering = Answering::Head(Start::new(Kind::Answer));
                    }
                }
            }
        }
        Ok(None)
    }

    fn answered(
        &mut self,
        answer: Answer,
        began: Instant,
        context: &mut Context<'_>,
    ) -> Result<After, Unreadable> {
        let Answer { status, headers, body, websocket } = answer;
        let upgraded = status == 101;
        if (100..200).contains(&status) && !upgraded {
            return Ok(After::Http);
        }
        let asked = self.waiting.pop_front().ok_or(Unreadable)?;
        if upgraded && !(self.waiting.is_empty() && self.between_requests()) {
            // What has come since may have been meant for the other protocol.
            return Err(Unreadable);
        }
        context.answer(asked.key, status, headers, began)?;
        if upgraded && asked.websocket && websocket {
            context.carries(asked.key, exchange::Kind::WebSocket);
            return Ok(After::WebSocket(asked.key));
        }
        let tunnel = asked.connect && (200..300).contains(&status);
        if upgraded || tunnel {
            context.over(asked.key, Side::Answerer);
            return Err(Unreadable);
        }
        if asked.connect {
            self.refused_tunnel()?;
        }
        match body.filter(|_| !asked.head && !matches!(status, 204 | 304)) {
            Some(framed) => self.answering = Answering::Body(asked.key, framed),
            None => context.over(asked.key, Side::Answerer),
        }
        Ok(After::Http)
    }

    fn between_requests(&self) -> bool {
        matches!(&self.asking, Asking::Head(start) if start.is_empty())
    }

    /// CONNECT was refused: more requests may come.
    fn refused_tunnel(&mut self) -> Result<(), Unreadable> {
        match self.asking {
            Asking::Tunnel => {
                self.asking = Asking::Head(Start::new(Kind::Request));
                Ok(())
            }
            _ => Err(Unreadable),
        }
    }
}

/// Reads a body up to its end at most; whether that has come.
fn follow(
    framed: &mut Framed,
    key: u64,
    side: Side,
    bytes: &mut &[u8],
    context: &mut Context<'_>,
) -> Result<bool, Unreadable> {
    while !bytes.is_empty() {
        match framed.next(bytes, context.limits().headers)? {
            Part::Data(data) => context.body(key, side, data),
            Part::Framing => {}
            Part::Trailers(lines) => context.trailers(key, side, head::trailers(&lines)?)?,
        }
        if framed.is_over() {
            context.over(key, side);
            return Ok(true);
        }
    }
    Ok(false)
}
