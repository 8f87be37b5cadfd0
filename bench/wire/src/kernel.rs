//! The kernel at an end of the wire, in a network namespace of its own, which dies with the thread and the interface.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use rustix::net::sockopt::set_tcp_congestion;
use tun_rs::{DeviceBuilder, SyncDevice};

pub(crate) const LEFT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(crate) const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub(crate) const PORT: u16 = 5000;
pub(crate) const MTU: u16 = 1500;
/// The kernel's congestion control.
pub(crate) const CONGESTION_CONTROL: &str = "cubic";

type Ready = (SyncDevice, Receiver<Duration>);

/// An application that connects, sends so many bytes, and waits for the end of the stream.
pub(crate) fn sender(bytes: u64) -> Result<Ready, String> {
    begin(LEFT, move |ready, taken| {
        ready.tell(());
        let begun = Instant::now();
        let mut stream = TcpStream::connect((RIGHT, PORT))?;
        // A machine's default may be another; what is compared is RFC 9438 with RFC 9438.
        set_tcp_congestion(&stream, CONGESTION_CONTROL)?;
        let data = vec![7; 64 * 1024];
        let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
        while left > 0 {
            let n = left.min(data.len());
            stream.write_all(&data[..n])?;
            left -= n;
        }
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        _ = taken.send(begun.elapsed());
        Ok(())
    })
}

/// An application that accepts, reads to the end, and closes.
pub(crate) fn receiver() -> Result<Ready, String> {
    begin(RIGHT, |ready, _| {
        let listener = TcpListener::bind((RIGHT, PORT))?;
        ready.tell(());
        let (mut stream, _) = listener.accept()?;
        let mut buffer = vec![0; 64 * 1024];
        while stream.read(&mut buffer)? > 0 {}
        Ok(())
    })
}

/// Says that the application is ready, and hands the interface over.
struct Tell(Sender<Result<SyncDevice, String>>, Option<SyncDevice>);

impl Tell {
    fn tell(mut self, (): ()) {
        if let Some(tun) = self.1.take() {
            _ = self.0.send(Ok(tun));
        }
    }
}

fn begin(
    address: Ipv4Addr,
    application: impl FnOnce(Tell, Sender<Duration>) -> std::io::Result<()> + Send + 'static,
) -> Result<Ready, String> {
    let (ready, is_ready) = channel();
    let (tell, taken) = channel();
    thread::spawn(move || match interface(address) {
        Ok(tun) => {
            if let Err(error) = application(Tell(ready, Some(tun)), tell) {
                eprintln!("the application at {address}: {error}");
            }
        }
        Err(error) => _ = ready.send(Err(error)),
    });
    let tun = is_ready.recv().map_err(|_| "the application has failed".to_owned())??;
    Ok((tun, taken))
}

/// As `uname -r` has it.
pub(crate) fn version() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

fn interface(address: Ipv4Addr) -> Result<SyncDevice, String> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("a network namespace: {error} (it needs root)"))?;
    _ = fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    let tun = DeviceBuilder::new().name("wire0").mtu(MTU).ipv4(address, 24, None).build_sync();
    let tun = tun.map_err(|error| format!("the interface: {error}"))?;
    tun.set_nonblocking(true).map_err(|error| format!("the interface: {error}"))?;
    Ok(tun)
}
