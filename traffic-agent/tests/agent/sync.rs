//! Files come from the laptop through the tunnel.

use std::{fs, os::unix::ffi::OsStrExt as _};

use tunnel::{
    Flow, Priority,
    message::Open,
    sync::{
        FromPod, MAX_ANSWER, Meta, ToPod,
        pack::{MAX_PACK, Packer},
        tree::{Leaf, Tree},
    },
};

use crate::{
    eventually,
    laptop::{Laptop, Manner},
    rig::Rig,
    within,
};

async fn send(flow: &mut Flow, all: &[ToPod]) {
    let mut packer = Packer::default();
    for one in all {
        if let Some(pack) = packer.push(one).unwrap() {
            flow.send.message(&pack, MAX_PACK).await.unwrap();
        }
    }
    if let Some(pack) = packer.take() {
        flow.send.message(&pack, MAX_PACK).await.unwrap();
    }
}

async fn answer(flow: &mut Flow) -> Option<FromPod> {
    within("an answer", flow.recv.message(MAX_ANSWER)).await.unwrap()
}

async fn begin(rig: &Rig, to: &std::path::Path) -> (Laptop, Flow) {
    let laptop = Laptop::connect(rig, Manner::Mute).await;
    let mut flow = laptop.connection.open(&Open::Sync, Priority::Control).await.unwrap();
    send(&mut flow, &[ToPod::Begin { to: to.as_os_str().as_bytes().into() }]).await;
    (laptop, flow)
}

fn file(contents: &[u8]) -> [ToPod; 3] {
    let meta = Meta { mode: 0o644, modified: 0, size: contents.len() as u64 };
    [
        ToPod::File { path: "a".into(), meta },
        ToPod::Data(contents.to_vec().into()),
        ToPod::End { hash: *blake3::hash(contents).as_bytes() },
    ]
}

#[tokio::test]
async fn a_file_arrives_with_its_commit() {
    let (rig, dir) = (Rig::start().await, tempfile::tempdir().unwrap());
    let to = dir.path().join("src");
    let (_laptop, mut flow) = begin(&rig, &to).await;
    assert!(matches!(answer(&mut flow).await, Some(FromPod::Begun(Ok(_)))));
    send(&mut flow, &file(b"contents")).await;
    send(&mut flow, &[ToPod::Commit { generation: 1, more: false }]).await;
    let mut tree = Tree::default();
    let hash = *blake3::hash(b"contents").as_bytes();
    tree.put(b"a", Leaf::File { mode: 0o644, hash });
    let committed = FromPod::Committed { generation: 1, root: tree.root() };
    assert_eq!(answer(&mut flow).await, Some(committed));
    assert_eq!(fs::read(to.join("a")).unwrap(), b"contents");
    flow.send.finish();
    assert_eq!(answer(&mut flow).await, None, "a clean end");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1);
}

#[tokio::test]
async fn a_folder_that_can_t_be_written_is_told_and_the_stream_ends() {
    let rig = Rig::start().await;
    let (_laptop, mut flow) = begin(&rig, "/proc/none".as_ref()).await;
    assert!(matches!(answer(&mut flow).await, Some(FromPod::Begun(Err(_)))));
    assert_eq!(answer(&mut flow).await, None);
}

#[tokio::test]
async fn a_laptop_that_breaks_the_protocol_is_not_served_any_more() {
    let (rig, dir) = (Rig::start().await, tempfile::tempdir().unwrap());
    let (_laptop, mut flow) = begin(&rig, dir.path()).await;
    answer(&mut flow).await;
    send(&mut flow, &[ToPod::Remove("../x".into())]).await;
    assert!(within("the end", flow.recv.message::<FromPod>(MAX_ANSWER)).await.is_err());
}

#[tokio::test]
async fn what_was_not_committed_goes_with_the_session() {
    let (rig, dir) = (Rig::start().await, tempfile::tempdir().unwrap());
    let (laptop, mut flow) = begin(&rig, dir.path()).await;
    answer(&mut flow).await;
    send(&mut flow, &file(b"contents")).await;
    let staging = dir.path().join(".devbridge-sync");
    eventually("it is staged", || fs::read_dir(&staging).unwrap().count() == 1).await;
    laptop.connection.close("bye");
    eventually("nothing is left", || !staging.exists()).await;
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
