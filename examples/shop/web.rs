//! `shop-web`: the page of the shop. It asks `catalog` for the item and prints what it was told.
//!
//! Environment: `PORT` (8080), `CATALOG` (`catalog`, as `host` or `host:port`).

use std::{env, io};

use devbridge_examples::http::{self, Request, Response};
use devbridge_examples::server;

fn main() -> io::Result<()> {
    let port = env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let catalog = env::var("CATALOG").unwrap_or_else(|_| "catalog".to_owned());
    server::run(port, move |stream, stopping| http::talk(stream, stopping, |request| page(request, &catalog)))
}

fn page(request: &Request, catalog: &str) -> Response {
    match request.path.as_str() {
        "/healthz" => Response::text(200, "ok\n"),
        path if path.starts_with("/items/") => match http::get(catalog, path) {
            Ok((status, item)) => Response::text(status, format!("Welcome to the shop. {item}\n")),
            Err(error) => Response::text(502, format!("catalog does not answer: {error}\n")),
        },
        _ => Response::text(404, "try /items/tea\n"),
    }
}
