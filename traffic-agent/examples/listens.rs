//! Stands in for a server of the developer in the tests of the process.
//!
//! Binds each address of its arguments (`0.0.0.0:8080`, `udp/0.0.0.0:8080`) and answers `hello PID` to whoever comes. Ends
//! with the number of the error when one cannot be bound. Says nothing.

use std::{
    io::{self, Write as _},
    net::{TcpListener, UdpSocket},
    process::{self, ExitCode},
    thread,
};

fn main() -> ExitCode {
    let served: io::Result<Vec<_>> = std::env::args().skip(1).map(|address| serve(&address)).collect();
    match served {
        Ok(threads) => {
            for thread in threads {
                let _ = thread.join();
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            ExitCode::from(error.raw_os_error().and_then(|number| u8::try_from(number).ok()).unwrap_or(1))
        }
    }
}

fn serve(address: &str) -> io::Result<thread::JoinHandle<()>> {
    let hello = format!("hello {}\n", process::id());
    if let Some(address) = address.strip_prefix("udp/") {
        let socket = UdpSocket::bind(address)?;
        return Ok(thread::spawn(move || {
            while let Ok((_, from)) = socket.recv_from(&mut [0; 16]) {
                let _ = socket.send_to(hello.as_bytes(), from);
            }
        }));
    }
    let listener = TcpListener::bind(address)?;
    Ok(thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(hello.as_bytes());
        }
    }))
}
