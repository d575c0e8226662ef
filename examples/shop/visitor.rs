//! `shop-visitor URL [COUNT]`: asks for a page COUNT times, each on a connection of its own, and prints the
//! answers. It lies in the image of `shop-web`, so that one can look at the shop from inside the cluster.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::process::ExitCode;
use std::time::Duration;
use std::{env, thread};

use devbridge_examples::http;

/// Between two visits.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "http://web/items/tea".to_owned());
    let count: u32 = args.next().and_then(|count| count.parse().ok()).unwrap_or(1);
    let host = url.trim_start_matches("http://");
    let (host, path) = host.split_at(host.find('/').unwrap_or(host.len()));
    let path = if path.is_empty() { "/" } else { path };
    let mut failed = false;
    for visit in 0..count {
        if visit > 0 {
            thread::sleep(PAUSE);
        }
        match http::get(host, path) {
            Ok((200, body)) => println!("{}", body.trim_end()),
            Ok((status, body)) => {
                failed = true;
                println!("status {status}: {}", body.trim_end());
            }
            Err(error) => {
                failed = true;
                println!("failed: {error}");
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
