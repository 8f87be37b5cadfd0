//! An echo server on a TUN: what comes is sent back, then the connection is closed, and its receipt printed.
//!
//!     cargo run -p adieu --example echo -- 10.77.0.1:7 [CONNECTIONS]
//!
//! With a number it ends after so many connections. Needs the right to make a TUN (root).

#[cfg(target_os = "linux")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use adieu::{Net, TcpListener, device};

    let mut args = std::env::args().skip(1);
    let local: std::net::SocketAddr = args.next().as_deref().unwrap_or("10.77.0.1:7").parse()?;
    let connections = args.next().map(|number| number.parse::<u64>()).transpose()?;

    let (tun, kernel) = device::tun_for(local, None)?;
    eprintln!("echo at {local} on {}; this host is {kernel} there", tun.name());
    let net = Net::builder(tun).address(local.ip()).start()?;
    let listener = TcpListener::bind(&net, local)?;

    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections.unwrap_or(u64::MAX) {
        let (stream, peer) = listener.accept().await?;
        tasks.spawn(async move { println!("{peer}: {}", echo(stream).await) });
        while tasks.try_join_next().is_some() {}
    }
    tasks.join_all().await;
    net.flushed().await;
    Ok(())
}

/// Sends back what comes until the peer's FIN, then closes; how it ended, and the bytes each way.
#[cfg(target_os = "linux")]
async fn echo(stream: adieu::TcpStream) -> String {
    let (mut from, mut to) = (&stream, &stream);
    // An error of the connection stands in the receipt.
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let receipt = match stream.close().await {
        Ok(receipt) => receipt,
        Err(error) => error.receipt,
    };
    format!("{}, {} bytes here, {} bytes back", receipt.ending.name(), receipt.received, receipt.acknowledged)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("echo needs a TUN device, which this version makes on Linux only");
}
