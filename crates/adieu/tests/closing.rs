//! Closing, as tasks see it.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use adieu::{Net, TcpListener, TcpStream, device};
use tokio::io::AsyncWriteExt;

const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

/// A client, and a server that reads nothing.
async fn pair() -> (TcpStream, TcpStream) {
    let (left, right) = device::memory_pair(1500);
    let net = |device, last| Net::builder(device).address([10, 0, 0, last].into()).start().unwrap();
    let (client, server) = (net(left, 1), net(right, 2));
    let listener = TcpListener::bind(&server, SERVER.into()).unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(&client, SERVER.into()), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

/// RL-1: the task that waits for room is woken by another one's shutdown and gets a broken pipe, though the peer's
/// window stays closed.
#[tokio::test(start_paused = true)]
async fn rl_1_a_shutdown_wakes_the_task_that_waits_to_write() {
    let (client, _server) = pair().await;
    let client = Arc::new(client);
    let writer = Arc::clone(&client);
    let writing = tokio::spawn(async move {
        let (mut writer, data) = (&*writer, vec![7; 10_000_000]);
        writer.write_all(&data).await
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!writing.is_finished(), "both buffers are full");
    (&*client).shutdown().await.unwrap();
    let woken = tokio::time::timeout(Duration::from_millis(1), writing).await.expect("it was woken at once");
    assert_eq!(woken.unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
}
