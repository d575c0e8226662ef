//! `shop-catalog`: knows the items and asks `stock` how many are left.
//!
//! Environment: `PORT` (8080), `STOCK_ADDR` (`stock:7000`), `STOCK_PASSWORD`, `CURRENCY` (`EUR`).
//! `--banner TEXT` is the change somebody tries on a laptop: answers say that they come from there.

use std::io::{self, BufRead, BufReader, Write};
use std::sync::Arc;
use std::{env, fs};

use devbridge_examples::http::{self, Request, Response};
use devbridge_examples::server;

struct Catalog {
    by: String,
    currency: String,
    stock: String,
    password: String,
}

fn main() -> io::Result<()> {
    let or = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let hostname = || fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
    let mut args = env::args().skip_while(|arg| arg != "--banner").skip(1);
    let catalog = Arc::new(Catalog {
        by: args.next().unwrap_or_else(hostname),
        currency: or("CURRENCY", "EUR"),
        stock: or("STOCK_ADDR", "stock:7000"),
        password: or("STOCK_PASSWORD", ""),
    });
    let port = or("PORT", "8080").parse().unwrap_or(8080);
    server::run(port, move |stream, stopping| http::talk(stream, stopping, |request| catalog.answer(request)))
}

impl Catalog {
    fn answer(&self, request: &Request) -> Response {
        let (price, name) = match request.path.as_str() {
            "/healthz" => return Response::text(200, "ok\n"),
            "/items/tea" => ("4.20", "Green tea"),
            "/items/mug" => ("9.90", "Blue mug"),
            _ => return Response::json(404, r#"{"error":"no such item"}"#.to_owned()),
        };
        let (by, currency) = (&self.by, &self.currency);
        if request.method == "POST" {
            let received = request.body.len();
            return Response::json(200, format!(r#"{{"name":"{name}","received":{received},"by":"{by}"}}"#));
        }
        let item = request.path.trim_start_matches("/items/");
        match self.left(item) {
            Ok(left) => Response::json(
                200,
                format!(r#"{{"name":"{name}","price":"{price} {currency}","stock":{left},"by":"{by}"}}"#),
            ),
            Err(error) => Response::json(502, format!(r#"{{"error":"stock: {error}","by":"{by}"}}"#)),
        }
    }

    /// Asks the database in its own protocol: `AUTH password`, `GET item`, one answer line each.
    fn left(&self, item: &str) -> io::Result<u32> {
        let mut stream = http::connect(&self.stock)?;
        write!(stream, "AUTH {}\nGET {item}\n", self.password)?;
        let mut lines = BufReader::new(stream).lines();
        for expected in ["OK", ""] {
            let line = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
            if line != expected {
                return line.parse().map_err(|_| io::Error::other(line));
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
