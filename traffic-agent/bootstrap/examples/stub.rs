//! Stands in for the agent in the tests of the bootstrap, which unpack and run it like the real one.
//!
//! Says on standard output what it was given, then answers one command for each connection:
//! `pid`, `orphan` (leave a process without a parent, answer its pid) or `exit N`. With the argument
//! `polite` it ends with status 7 on SIGTERM.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::FromRawFd as _;
use std::process::{Command, Stdio};
use std::{env, error, process, thread};

const SIGTERM: i32 = 15;

type Result<T> = std::result::Result<T, Box<dyn error::Error>>;

#[allow(unsafe_code, reason = "the standard library has no signals")]
mod signal {
    unsafe extern "C" {
        fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
        fn _exit(status: i32) -> !;
    }

    extern "C" fn end(_: i32) {
        // SAFETY: allowed in a handler.
        unsafe { _exit(7) }
    }

    pub(crate) fn end_on(number: i32) {
        // SAFETY: the handler calls nothing that is not allowed there.
        unsafe { signal(number, end) };
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("parent") => return parent(),
        Some("child") => return Ok(()),
        Some("polite") => signal::end_on(SIGTERM),
        _ => {}
    }
    let listen = env::var("DEVBRIDGE_LISTEN")?;
    let listeners = listeners(&listen)?;
    println!("up pid={} listen={listen} args={}", process::id(), args.join(" "));
    for listener in listeners {
        thread::spawn(move || serve(&listener));
    }
    loop {
        thread::park();
    }
}

fn serve(listener: &TcpListener) {
    let served = listener
        .set_nonblocking(false)
        .map_err(Into::into)
        .and_then(|()| listener.incoming().try_for_each(|connection| answer(&connection?)));
    eprintln!("{served:?}");
    process::exit(9);
}

#[allow(unsafe_code, reason = "descriptors that are inherited by number")]
fn listeners(listen: &str) -> Result<Vec<TcpListener>> {
    let ports = listen.split(',').filter(|port| !port.is_empty());
    (3..)
        .zip(ports)
        .map(|(fd, port)| {
            // SAFETY: the parent left them there for this program.
            let listener = unsafe { TcpListener::from_raw_fd(fd) };
            assert_eq!(listener.local_addr()?.port(), port.parse::<u16>()?);
            Ok(listener)
        })
        .collect()
}

fn answer(mut connection: &TcpStream) -> Result<()> {
    let mut command = String::new();
    BufReader::new(connection).read_line(&mut command)?;
    let answer = match command.trim().split_once(' ') {
        Some(("exit", status)) => process::exit(status.parse()?),
        _ if command.trim() == "orphan" => orphan()?,
        _ => process::id(),
    };
    Ok(writeln!(connection, "{answer}")?)
}

/// Runs a process that starts another one and ends before it; gives back the pid of the latter.
fn orphan() -> Result<u32> {
    let parent = Command::new("/proc/self/exe").arg("parent").stderr(Stdio::inherit()).output()?;
    Ok(String::from_utf8(parent.stdout)?.trim().parse()?)
}

#[allow(clippy::zombie_processes, reason = "this is how one makes an orphan")]
fn parent() -> Result<()> {
    let child = Command::new("/proc/self/exe").arg("child").stdout(Stdio::null()).spawn()?;
    println!("{}", child.id());
    Ok(())
}
