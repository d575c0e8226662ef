//! Files of the laptop that would lead names past the pod's DNS.

use crate::{rearranged, status_of};

/// A copy of /etc that may be changed, and an empty /run.
const OWN_ETC: &str = "mount -t tmpfs none /mnt; mkdir /mnt/etc
    cp -r /etc/passwd /etc/group /etc/ld.so.cache /mnt/etc; echo 'hosts: resolve' > /mnt/etc/nsswitch.conf
    mount --rbind /mnt/etc /etc; mount -t tmpfs none /run";

#[test]
fn resolv_conf_that_leads_into_a_hidden_directory_is_replaced_too() {
    let script = "mkdir -p /run/systemd/resolve /run/nscd; touch /run/systemd/resolve/io.systemd.Resolve /run/nscd/socket
        echo nameserver 127.0.0.53 > /run/systemd/resolve/stub-resolv.conf; touch /etc/hosts
        ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf";
    let cases = [
        "inside::the_pods_files_are_seen_inside_and_not_outside",
        "files::sockets_of_name_services_are_hidden",
    ];
    rearranged(&format!("{OWN_ETC}; {script}"), &cases);
}

#[test]
fn a_dangling_or_missing_resolv_conf_is_made_inside_only() {
    let cases = ["inside::the_pods_files_are_seen_inside_and_not_outside", "files::other_files_stay"];
    let script = "mkdir -p /run/systemd/other; touch /run/systemd/other/file; ln -s file /run/systemd/link";
    rearranged(
        &format!("{OWN_ETC}; {script}; ln -s /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf"),
        &cases,
    );
    rearranged(&format!("{OWN_ETC}; {script}"), &cases);
}

/// Not tests of their own: run by the two above where there is something to see.
#[tokio::test]
async fn sockets_of_name_services_are_hidden() {
    if std::env::var_os("SANDBOX_TEST_REARRANGED").is_some() {
        let text = "! [ -e /run/nscd/socket ] && ! [ -e /run/systemd/resolve/io.systemd.Resolve ]";
        assert_eq!(status_of(text).await, 0);
    }
}

#[tokio::test]
async fn other_files_stay() {
    if std::env::var_os("SANDBOX_TEST_REARRANGED").is_some() {
        assert_eq!(
            status_of("[ -f /run/systemd/other/file ] && [ -L /run/systemd/link ] && [ -s /etc/passwd ]")
                .await,
            0
        );
    }
}
