//! What the example applications share: a TCP server that ends politely, and just enough HTTP/1.1.
//!
//! The examples are written as a small service is: blocking, one thread per connection, no framework. So there
//! is nothing in them that devbridge could depend on, and they fit in an image that holds one file.

pub mod http;
pub mod server;
