//! What arrives is what was sent.

use devbridge_tunnel::{RecvHalf, SendHalf};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, time::timeout};

use crate::rig::{LONG, Rig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_arrive_unchanged_both_ways_over_memory() {
    both_ways(&Rig::in_memory().await, 8 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_arrive_unchanged_both_ways_over_tcp() {
    both_ways(&Rig::on_tcp().await, 64 << 20).await;
}

/// Sends different bytes each way at the same time and compares hashes.
pub(crate) async fn both_ways(rig: &Rig, size: usize) {
    let (laptop, agent) = rig.flow().await;
    let up = tokio::spawn(send(laptop.send, 1, size));
    let down = tokio::spawn(send(agent.send, 2, size));
    let at_agent = tokio::spawn(receive(agent.recv, size));
    let at_laptop = tokio::spawn(receive(laptop.recv, size));
    let all =
        async { (up.await.unwrap(), at_agent.await.unwrap(), down.await.unwrap(), at_laptop.await.unwrap()) };
    let (up, at_agent, down, at_laptop) = timeout(LONG, all).await.unwrap();
    assert_eq!(up, at_agent);
    assert_eq!(down, at_laptop);
    assert_ne!(up, down);
}

async fn send(mut half: SendHalf, seed: u64, size: usize) -> Vec<u8> {
    let (mut hash, mut state) = (Sha256::new(), seed);
    let mut block = vec![0; 70_001];
    let mut left = size;
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            // Numbers of an LCG: no two blocks are alike, so none can stand in for another.
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&state.to_be_bytes());
        }
        let part = &block[..left.min(block.len())];
        half.write_all(part).await.unwrap();
        hash.update(part);
        left -= part.len();
    }
    half.finish();
    hash.finalize().to_vec()
}

async fn receive(mut half: RecvHalf, size: usize) -> Vec<u8> {
    let (mut hash, mut got) = (Sha256::new(), 0);
    while let Some(chunk) = half.chunk(usize::MAX).await.unwrap() {
        hash.update(&chunk);
        got += chunk.len();
    }
    assert_eq!(got, size);
    hash.finalize().to_vec()
}
