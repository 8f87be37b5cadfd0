//! The device and the kernel, each test on a thread in a network namespace of its own.

use std::fs::OpenOptions;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use adieu::device::{Tun, TunConfig, TunError, tun_for};
use adieu::{Net, TcpListener};
use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tun_rs::DeviceBuilder;

use crate::family::Family;
use crate::harness::{panicked, register};

register! {
    packets_cross_in_both_directions() needs Tun;
    a_whole_connection_with_the_kernel(Family) needs Tun;
    readiness_can_be_polled() needs Tun;
    what_is_no_packet_is_an_error() needs Tun;
    a_name_is_given_once() needs Tun;
    a_subnet_is_given_once() needs Tun;
    the_interface_goes_with_its_owner() needs Tun;
    the_interface_speaks_no_ipv6() needs Tun;
    removal_by_others_is_told() needs Tun;
    a_thread_without_the_right_is_told_so() needs Tun;
}

const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 11, 12, 1);
const STACK: Ipv4Addr = Ipv4Addr::new(10, 11, 12, 2);
/// No test takes a second of work; more than this and it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `body` on a thread whose network namespace is its own, as that of the threads and commands it starts.
pub(crate) fn alone(body: impl Future<Output = ()> + Send + 'static) {
    let (done, outcome) = mpsc::channel();
    // A thread that blocks where it should not is left behind: this process ends soon.
    std::thread::spawn(move || {
        let run = || {
            unshare(CloneFlags::CLONE_NEWNET).expect("a namespace, which the harness has seen made");
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body);
        };
        done.send(catch_unwind(AssertUnwindSafe(run)).map_err(|_| panicked()))
    });
    match outcome.recv_timeout(PATIENCE) {
        Ok(Ok(())) => {}
        Ok(Err(words)) => panic!("{words}"),
        Err(_) => panic!("the test does not end"),
    }
}

fn named(name: &str) -> TunConfig {
    TunConfig { name: Some(name.to_owned()), ..TunConfig::new(KERNEL) }
}

/// Runs the command `ip`.
pub(crate) fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}

/// Whether this thread's namespace has an interface of this name.
fn interface_exists(name: &str) -> bool {
    let interfaces = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    interfaces.lines().any(|line| line.trim_start().starts_with(&format!("{name}:")))
}

fn packets_cross_in_both_directions() {
    alone(async {
        let tun = Tun::create(&TunConfig { mtu: 1400, ..named("adieu0") }).unwrap();
        assert_eq!((tun.name(), tun.mtu()), ("adieu0", 1400));

        let kernel = UdpSocket::bind((KERNEL, 0)).unwrap();
        kernel.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        kernel.send_to(b"salut", (STACK, 7)).unwrap();
        kernel.send_to(b"encore", (STACK, 7)).unwrap();
        let asked = next_udp(&tun).await;
        assert_eq!(&asked[12..20], [KERNEL.octets(), STACK.octets()].concat());
        assert_eq!(&asked[28..], b"salut");
        assert_eq!(&next_udp(&tun).await[28..], b"encore");
        // The kernel sends what exceeds the MTU in fragments, of a multiple of eight bytes.
        kernel.send_to(&[0; 1500], (STACK, 7)).unwrap();
        assert_eq!(next_udp(&tun).await.len(), 20 + 1376);
        assert_eq!(emptied(&tun).kind(), io::ErrorKind::WouldBlock);

        let port = kernel.local_addr().unwrap().port();
        let header = udp_header(port, 5);
        tun.writable().await.unwrap();
        tun.try_send(&[IoSlice::new(&header), IoSlice::new(b"ad"), IoSlice::new(b"ieu")]).unwrap();
        let mut reply = [0; 64];
        let (length, from) = kernel.recv_from(&mut reply).unwrap();
        assert_eq!((&reply[..length], from), (&b"adieu"[..], SocketAddr::from((STACK, 7))));
    });
}

fn a_whole_connection_with_the_kernel(family: Family) {
    alone(async move {
        let local = SocketAddr::new(family.stack().parse().unwrap(), 80);
        let (tun, kernel) = tun_for(local, Some("adieu0")).unwrap();
        assert_eq!(kernel.to_string(), family.kernel());
        let net = Net::builder(tun).address(local.ip()).start().unwrap();
        let listener = TcpListener::bind(&net, local).unwrap();
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(local).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(&[7; 300_000]).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer
        });
        let (mut stream, peer) = listener.accept().await.unwrap();
        assert_eq!(peer.ip(), kernel);
        let mut request = Vec::new();
        stream.read_to_end(&mut request).await.unwrap();
        assert!(request == [7; 300_000]);
        stream.write_all(&[9; 200_000]).await.unwrap();
        let receipt = stream.close().await.unwrap();
        assert!(client.join().unwrap() == [9; 200_000]);
        assert_eq!((receipt.ending.name(), receipt.acknowledged), ("graceful-peer-first", 200_000));
    });
}

fn readiness_can_be_polled() {
    alone(async {
        let tun = Tun::create(&named("adieu0")).unwrap();
        std::future::poll_fn(|cx| tun.poll_writable(cx)).await.unwrap();
        let kernel = UdpSocket::bind((KERNEL, 0)).unwrap();
        for _ in 0..3 {
            // Empty it first, or what is left over would answer instead of the waker.
            emptied(&tun);
            let arrival = std::future::poll_fn(|cx| tun.poll_readable(cx));
            let departure = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                kernel.send_to(b"salut", (STACK, 7)).unwrap();
            };
            tokio::join!(arrival, departure).0.unwrap();
            assert_eq!(next_udp(&tun).await.len(), 33);
        }
    });
}

fn what_is_no_packet_is_an_error() {
    alone(async {
        let tun = Tun::create(&named("adieu0")).unwrap();
        tun.writable().await.unwrap();
        let kind = |slices: &[IoSlice<'_>]| tun.try_send(slices).unwrap_err().kind();
        assert_eq!(kind(&[IoSlice::new(b"Plain text, not IP")]), io::ErrorKind::InvalidInput);
        // The kernel takes 1024 in one write (UIO_MAXIOV).
        let many = [IoSlice::new(b"E"); 1025];
        assert_eq!(kind(&many), io::ErrorKind::InvalidInput);
        tun.try_send(&[IoSlice::new(&udp_header(9, 0))]).unwrap();
    });
}

fn a_name_is_given_once() {
    alone(async {
        let first = Tun::create(&named("adieu0")).unwrap();
        for taken in ["adieu0", "lo"] {
            let config = TunConfig { kernel: Ipv4Addr::new(10, 99, 0, 1).into(), ..named(taken) };
            match Tun::create(&config) {
                Err(TunError::NameTaken { name }) => assert_eq!(name, taken),
                other => panic!("{other:?}"),
            }
        }
        // What the kernel says to one who does not look beforehand.
        let refused = |name: &str| {
            let error = DeviceBuilder::new().name(name).build_sync().err().expect(name);
            Errno::from_io_error(&error)
        };
        assert_eq!((refused("adieu0"), refused("lo")), (Some(Errno::BUSY), Some(Errno::INVAL)));
        drop(first);
        // One that persists without a process: it would outlive us.
        ip(&["tuntap", "add", "adieu0", "mode", "tun"]);
        assert!(matches!(Tun::create(&named("adieu0")), Err(TunError::NameTaken { .. })));
        let anonymous = Tun::create(&TunConfig::new(KERNEL)).unwrap();
        assert_eq!(anonymous.name(), "tun0");
    });
}

fn a_subnet_is_given_once() {
    alone(async {
        let _first = Tun::create(&named("adieu0")).unwrap();
        let error = Tun::create(&TunConfig { kernel: STACK.into(), ..named("adieu1") }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot make a TUN device with the subnet 10.11.12.0/30 because the interface \
             `adieu0` has the address 10.11.12.1 in 10.11.12.0/30: \
             choose a subnet that this host does not use"
        );
        assert!(!interface_exists("adieu1"));
        let wide = TunConfig { prefix: 8, ..named("adieu1") };
        assert!(matches!(Tun::create(&wide), Err(TunError::AddressInUse { .. })));
        let beside = TunConfig { kernel: Ipv4Addr::new(10, 11, 12, 5).into(), ..named("adieu1") };
        let _second = Tun::create(&beside).unwrap();
        ip(&["route", "add", "10.11.12.9/32", "dev", "adieu1"]);
        let behind = TunConfig { kernel: Ipv4Addr::new(10, 11, 12, 10).into(), ..named("adieu2") };
        assert_eq!(
            Tun::create(&behind).unwrap_err().to_string(),
            "cannot make a TUN device with the subnet 10.11.12.8/30 because this host already \
             routes 10.11.12.9/32 through `adieu1`: choose a subnet that this host does not use"
        );
    });
}

fn the_interface_goes_with_its_owner() {
    alone(async {
        for _ in 0..3 {
            let tun = Tun::create(&named("adieu0")).unwrap();
            assert!(interface_exists("adieu0"));
            drop(tun);
            // A command that another test is just starting has our descriptors until it begins.
            let gone = (0..500).any(|_| {
                let gone = !interface_exists("adieu0");
                if !gone {
                    std::thread::sleep(Duration::from_millis(10));
                }
                gone
            });
            assert!(gone, "the interface is still there");
        }
    });
}

fn the_interface_speaks_no_ipv6() {
    alone(async {
        let tun = Tun::create(&named("adieu0")).unwrap();
        let switch = "/proc/sys/net/ipv6/conf/adieu0/disable_ipv6";
        // A system may keep it from being switched.
        if OpenOptions::new().write(true).open(switch).is_ok() {
            assert_eq!(std::fs::read(switch).unwrap(), b"1\n");
            let quiet = tokio::time::timeout(Duration::from_millis(300), tun.readable()).await;
            assert!(quiet.is_err(), "something was sent");
        }
    });
}

fn removal_by_others_is_told() {
    alone(async {
        let tun = Tun::create(&named("adieu0")).unwrap();
        tun.writable().await.unwrap();
        let told = async {
            loop {
                match tun.readable().await {
                    Ok(()) => drop(emptied(&tun)),
                    Err(error) => return error,
                }
            }
        };
        let removal = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            ip(&["link", "delete", "adieu0"]);
        };
        let told = tokio::time::timeout(Duration::from_secs(20), told);
        let told = tokio::join!(told, removal).0.expect("the removal wakes the reader");
        assert_eq!(told.to_string(), "the interface `adieu0` was removed");
        let told = tun.try_send(&[IoSlice::new(&udp_header(9, 0))]).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::NotConnected);
    });
}

fn a_thread_without_the_right_is_told_so() {
    alone(async {
        let mut sets = capabilities(None).unwrap();
        for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
            set.remove(CapabilitySet::NET_ADMIN);
        }
        set_capabilities(None, sets).unwrap();
        let denied = Tun::create(&named("adieu0"));
        assert!(matches!(denied, Err(TunError::CreateDenied)), "{denied:?}");
    });
}

/// Reads until there is nothing more, and tells what the last attempt said.
fn emptied(tun: &Tun) -> io::Error {
    loop {
        if let Err(error) = tun.try_recv(&mut [0; 1500]) {
            return error;
        }
    }
}

/// The next UDP packet from the kernel, whatever else it says in between.
async fn next_udp(tun: &Tun) -> Vec<u8> {
    loop {
        let mut buf = vec![0; usize::from(tun.mtu())];
        match tun.try_recv(&mut buf) {
            Ok(length) if buf[0] >> 4 == 4 && buf[9] == 17 => return buf[..length].to_vec(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tun.readable().await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// The IPv4 and UDP headers of a datagram from the stack's port 7 to a port of the kernel.
fn udp_header(port: u16, payload: u8) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 28 + payload, 0, 0, 0, 0, 64, 17, 0, 0];
    header.extend([STACK.octets(), KERNEL.octets()].concat());
    let words = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = u16::try_from((sum & 0xFFFF) + (sum >> 16)).unwrap();
    header[10..12].copy_from_slice(&(!folded).to_be_bytes());
    header.extend([0, 7, port.to_be_bytes()[0], port.to_be_bytes()[1], 0, 8 + payload, 0, 0]);
    header
}
