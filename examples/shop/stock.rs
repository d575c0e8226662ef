//! `shop-stock`: the shop's database, with a line protocol that only its own clients speak.
//!
//! ```text
//! AUTH <password>   ->  OK
//! GET <item>        ->  <number>
//! TAKE <item> <n>   ->  <number that is left>
//! anything else     ->  ERR <why>
//! ```
//!
//! Environment: `PORT` (7000), `STOCK_PASSWORD`.

use std::collections::HashMap;
use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};

use devbridge_examples::server::{self, Stopping};

const MAX_LINE: u64 = 1024;

type Stock = Mutex<HashMap<String, u32>>;

fn main() -> io::Result<()> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(7000);
    let password = env::var("STOCK_PASSWORD").unwrap_or_default();
    let stock: Stock = Mutex::new(HashMap::from([("tea".to_owned(), 7), ("mug".to_owned(), 40)]));
    server::run(port, move |stream, stopping| {
        // A client that breaks off has nobody to tell.
        let _ = talk(stream, stopping, &stock, &password);
    })
}

fn talk(stream: TcpStream, stopping: &Stopping, stock: &Stock, password: &str) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut known = false;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while server::wait_for_input(&mut reader, stopping)? {
        let mut line = String::new();
        reader.by_ref().take(MAX_LINE).read_line(&mut line)?;
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let answer = match words.as_slice() {
            ["AUTH", given] => {
                known = *given == password;
                if known { "OK".to_owned() } else { "ERR wrong password".to_owned() }
            }
            _ if !known => "ERR who are you".to_owned(),
            ["GET", item] => take(stock, item, 0),
            ["TAKE", item, count] => {
                count.parse().map_or_else(|_| "ERR how many".to_owned(), |count| take(stock, item, count))
            }
            _ => "ERR unknown command".to_owned(),
        };
        writer.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

fn take(stock: &Stock, item: &str, count: u32) -> String {
    let mut stock = stock.lock().unwrap_or_else(PoisonError::into_inner);
    match stock.get_mut(item) {
        None => "ERR no such item".to_owned(),
        Some(left) if *left < count => format!("ERR only {left} left"),
        Some(left) => {
            *left -= count;
            left.to_string()
        }
    }
}
