//! The real bootstrap as pid 1 would be: it unpacks and runs a stand-in for the agent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's failure is a panic that says what was seen"
)]

mod pod;

use std::{fs, net::TcpStream, process::Command};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use pod::{Pod, Port, ask, dead, programs, receive, send, state, wait_until};

#[test]
fn the_agent_is_unpacked_and_gets_its_sockets_and_arguments() {
    let pod = Pod::new();
    let (one, two) = (Port::reserve(), Port::reserve());
    let mut container = pod.start(&[&one, &two], &["agent", "--flag"]);

    let up = container.up();
    assert_eq!(up.listen, format!("{},{}", one.number, two.number));
    assert_eq!(up.args, "agent --flag");
    assert_eq!(ask(&one, "pid"), up.pid.to_string());
    assert_eq!(ask(&two, "pid"), up.pid.to_string());
    let program = fs::read_link(format!("/proc/{}/exe", up.pid)).unwrap();
    assert_eq!(program, pod.run().join("traffic-agent"));
    assert_eq!(fs::read_dir(pod.run()).unwrap().count(), 1, "nothing else is left there");
}

#[test]
fn a_connection_that_comes_while_the_agent_is_dead_is_served_by_the_next_one() {
    let pod = Pod::new();
    let port = Port::reserve();
    let mut container = pod.start(&[&port], &[]);
    let first = container.up();

    // Stopped, the bootstrap cannot start the next agent before the connections are made.
    container.signal(Signal::SIGSTOP);
    kill(first.pid, Signal::SIGKILL).unwrap();
    wait_until("the agent is dead", || dead(first.pid));
    let waiting: Vec<TcpStream> = (0..50).map(|_| send(&port, "pid")).collect();
    container.signal(Signal::SIGCONT);

    let second = container.up();
    assert_ne!(first.pid, second.pid);
    for connection in waiting {
        assert_eq!(receive(&connection), second.pid.to_string());
    }
    assert_eq!(container.said(), "bootstrap: the agent was killed by signal 9; starting it again");
}

#[test]
fn an_agent_that_ends_unasked_is_started_again_whatever_its_status() {
    let pod = Pod::new();
    let port = Port::reserve();
    let mut container = pod.start(&[&port], &[]);
    for status in [0, 1, 2] {
        container.up();
        drop(send(&port, &format!("exit {status}")));
        let expected = format!("bootstrap: the agent ended unasked with status {status}; starting it again");
        assert_eq!(container.said(), expected);
    }
    container.up();
}

#[test]
fn an_agent_that_runs_once_ends_the_container_with_its_status() {
    let pod = Pod::new();
    let port = Port::reserve();
    let mut env = Command::new("env");
    env.arg(&programs().bootstrap).arg("--once").arg("--ports").arg(port.number.to_string());
    let mut container = pod.start_as(env, &[]);
    container.up();
    drop(send(&port, "exit 3"));
    assert_eq!(container.end(), 3);
}

#[test]
fn a_request_to_end_reaches_the_agent_and_its_status_is_kept() {
    for (signal, args, status) in [
        (Signal::SIGTERM, &["polite"][..], 7),
        (Signal::SIGTERM, &[], 128 + 15),
        (Signal::SIGINT, &[], 128 + 2),
    ] {
        let pod = Pod::new();
        let mut container = pod.start(&[], args);
        container.up();
        container.signal(signal);
        assert_eq!(container.end(), status, "{signal} {args:?}");
    }
}

#[test]
fn an_orphan_is_reaped() {
    let pod = Pod::new();
    let port = Port::reserve();
    let mut container = pod.start(&[&port], &[]);
    container.up();
    let orphan = Pid::from_raw(ask(&port, "orphan").parse().unwrap());
    wait_until("the orphan is gone, not a zombie", || state(orphan).is_none());
}

#[test]
fn the_agent_does_not_outlive_the_bootstrap() {
    let pod = Pod::new();
    let mut container = pod.start(&[], &[]);
    let agent = container.up().pid;
    container.signal(Signal::SIGKILL);
    container.end();
    wait_until("the agent is gone", || dead(agent));
}

#[test]
fn where_nothing_can_be_written_the_agent_runs_from_memory() {
    let pod = Pod::new();
    fs::remove_dir(pod.run()).unwrap();
    let port = Port::reserve();
    let mut container = pod.start(&[&port], &["agent"]);
    let up = container.up();
    assert_eq!(up.args, "agent");
    assert_eq!(ask(&port, "pid"), up.pid.to_string());
    assert!(container.said().ends_with("no such file or directory (ENOENT); using memory"));
}

#[test]
fn where_nothing_can_be_executed_the_agent_runs_from_memory_also_after_a_restart() {
    let pod = Pod::new();
    let port = Port::reserve();
    // A mount of its own, without privileges: the directory that the kubelet would mount `noexec`.
    let mount = "mount -t tmpfs -o noexec,mode=0777 none \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", mount]).arg(pod.run());
    let mut container = pod.start_by(command, &[&port], &[]);

    let first = container.up();
    assert!(container.said().ends_with("permission denied (EACCES); using memory"));
    drop(send(&port, "exit 3"));
    let second = container.up();
    assert_ne!(first.pid, second.pid);
    assert_eq!(ask(&port, "pid"), second.pid.to_string());
}

#[test]
fn parts_that_are_not_what_was_packed_are_refused_with_the_reason() {
    let changed = |change: &dyn Fn(&Pod)| {
        let pod = Pod::new();
        change(&pod);
        let mut container = pod.start(&[], &[]);
        let said = container.said();
        assert_eq!(container.end(), 125);
        assert_eq!(fs::read_dir(pod.run()).unwrap().count(), 0, "nothing half unpacked stays");
        said
    };
    let flip = |pod: &Pod| {
        let path = pod.parts().join("part-01");
        let mut part = fs::read(&path).unwrap();
        let middle = part.len() / 2;
        part[middle] ^= 1;
        fs::write(path, part).unwrap();
    };
    let said = changed(&flip);
    assert!(said.starts_with("bootstrap: cannot unpack the agent: the parts are corrupt"), "{said}");

    let said = changed(&|pod| fs::remove_file(pod.parts().join("part-02")).unwrap());
    assert_eq!(said, "bootstrap: cannot unpack the agent: the parts end too early; is one missing?");

    let said = changed(&|pod| fs::remove_file(pod.parts().join("part-00")).unwrap());
    assert!(said.ends_with("the parts cannot be read: no such file or directory (ENOENT)"), "{said}");
}

#[test]
fn a_program_for_another_machine_says_so() {
    let pod = Pod::new();
    pod.pack(b"\x7fELF is not enough");
    let mut container = pod.start(&[], &[]);
    assert!(container.said().ends_with("exec format error (ENOEXEC); using memory"));
    assert!(container.said().ends_with("(ENOEXEC); it was built for another CPU architecture"));
    assert_eq!(container.end(), 126);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let pod = Pod::new();
    let port = Port::reserve();
    nix::sys::socket::listen(&port.socket, nix::sys::socket::Backlog::new(1).unwrap()).unwrap();
    let mut container = pod.start(&[&port], &[]);
    let expected = format!(
        "bootstrap: cannot bind port {}: address in use (EADDRINUSE); another container of the pod listens on it",
        port.number
    );
    assert_eq!(container.said(), expected);
    assert_eq!(container.end(), 125);
}
