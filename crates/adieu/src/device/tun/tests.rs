//! The device against a real kernel, each test in a network namespace of its own.

mod namespace;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use self::namespace::{in_namespace, ip};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 11, 12, 1);
const STACK: Ipv4Addr = Ipv4Addr::new(10, 11, 12, 2);

fn named(name: &str) -> TunConfig {
    TunConfig { name: Some(name.to_owned()), ..TunConfig::new(KERNEL) }
}

// Names and sentences: no kernel needed.

#[test]
fn names_that_cannot_be_are_refused() {
    for (name, why) in [
        ("", "is empty"),
        ("sixteen-letters-", "is longer than 15 bytes"),
        ("two words", "contains white space"),
        ("tab\there", "contains white space"),
        ("a/b", "contains `/`, `:` or `%`"),
        ("tun%d", "contains `/`, `:` or `%`"),
        ("eth0:1", "contains `/`, `:` or `%`"),
        ("..", "is reserved"),
        ("all", "is reserved"),
        ("nul\0", "contains characters that are not printable ASCII"),
        ("ädieu", "contains characters that are not printable ASCII"),
    ] {
        let error = Tun::create(&named(name)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot make a TUN device named {name:?} because the name {why}: \
                 use 1 to 15 letters, digits, `-`, `_` or `.`, for example `adieu0`"
            )
        );
    }
    for name in ["a", "adieu0", "fifteen-letters", "x.y_z-1"] {
        assert!(check_name(name).is_ok(), "{name}");
    }
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let refused = |config: TunConfig| Tun::create(&config).unwrap_err().to_string();
    assert_eq!(
        refused(TunConfig { prefix: 31, ..TunConfig::new(KERNEL) }),
        "cannot make a TUN device with a /31 subnet because the prefix must be 8 to 30 long: \
         use 30, which holds the kernel's address and one more"
    );
    assert_eq!(
        refused(TunConfig { mtu: 67, ..TunConfig::new(KERNEL) }),
        "cannot make a TUN device with an MTU of 67 because IPv4 needs at least 68: \
         use 1500, or what the path allows"
    );
    assert_eq!(
        refused(TunConfig::new(Ipv4Addr::new(10, 11, 12, 3))),
        "cannot make a TUN device with this address: \
         10.11.12.3 is the broadcast address of 10.11.12.0/30, not a host: \
         use 10.11.12.1 or 10.11.12.2"
    );
}

#[test]
fn a_runtime_is_needed() {
    assert!(matches!(Tun::create(&named("adieu0")), Err(TunError::NoRuntime)));
}

#[test]
fn errors_of_the_kernel_become_advice() {
    let told = |name, errno: Errno| creation_error(name, errno.into()).to_string();
    assert_eq!(
        told(Some("adieu0"), Errno::BUSY),
        "cannot make the TUN device `adieu0` because an interface of that name exists: choose \
         another name, or remove that interface (`ip link show dev adieu0` tells what it is)"
    );
    // The loopback interface is everywhere.
    assert!(told(Some("lo"), Errno::INVAL).starts_with("cannot make the TUN device `lo` because"));
    assert_eq!(
        told(None, Errno::PERM),
        "cannot make a TUN device because this process may not create network interfaces: \
         run as root (`sudo`), or give the program the right with \
         `setcap cap_net_admin+ep <program>`, \
         or run it in a namespace of its own with `unshare -rn <program>`"
    );
    assert_eq!(
        told(Some("adieu0"), Errno::MFILE),
        "cannot make a TUN device because the attempt to create and configure the interface \
         failed: Too many open files (os error 24)"
    );
}

// The device itself: each test runs once more, as the only one of a process in a new namespace.

#[test]
fn packets_cross_in_both_directions() {
    in_namespace("packets_cross_in_both_directions", &[], async {
        let tun = Tun::create(&TunConfig { mtu: 1400, ..named("adieu0") }).unwrap();
        assert_eq!((tun.name(), tun.mtu()), ("adieu0", 1400));

        let kernel = UdpSocket::bind((KERNEL, 0)).unwrap();
        kernel.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
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

#[test]
fn a_whole_connection_over_ipv6_with_the_kernel() {
    in_namespace("a_whole_connection_over_ipv6_with_the_kernel", &[], async {
        let local = SocketAddr::from(([0xfd00, 0x11, 0x12, 0, 0, 0, 0, 1], 80));
        let (tun, kernel) = crate::device::tun_for(local, Some("adieu0")).unwrap();
        assert_eq!(kernel.to_string(), "fd00:11:12::2");
        let net = crate::Net::builder(tun).address(local.ip()).start().unwrap();
        let listener = crate::TcpListener::bind(&net, local).unwrap();
        let client = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(local).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
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

#[test]
fn readiness_can_be_polled() {
    in_namespace("readiness_can_be_polled", &[], async {
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

#[test]
fn what_is_no_packet_is_an_error() {
    in_namespace("what_is_no_packet_is_an_error", &[], async {
        let tun = Tun::create(&named("adieu0")).unwrap();
        tun.writable().await.unwrap();
        let kind = |slices: &[IoSlice<'_>]| tun.try_send(slices).unwrap_err().kind();
        assert_eq!(kind(&[IoSlice::new(b"Plain text, not IP")]), io::ErrorKind::InvalidInput);
        let many = [IoSlice::new(b"E"); MAX_SLICES + 1];
        assert_eq!(kind(&many), io::ErrorKind::InvalidInput);
        tun.try_send(&[IoSlice::new(&udp_header(9, 0))]).unwrap();
    });
}

#[test]
fn a_name_is_given_once() {
    in_namespace("a_name_is_given_once", &[], async {
        let first = Tun::create(&named("adieu0")).unwrap();
        for taken in ["adieu0", "lo"] {
            let config = TunConfig { kernel: Ipv4Addr::new(10, 99, 0, 1).into(), ..named(taken) };
            match Tun::create(&config) {
                Err(TunError::NameTaken { name }) => assert_eq!(name, taken),
                other => panic!("{other:?}"),
            }
            // The same without the look beforehand: what the kernel says.
            match create_interface(&config) {
                Err(TunError::NameTaken { name }) => assert_eq!(name, taken),
                other => panic!("{:?}", other.map(drop)),
            }
        }
        drop(first);
        if ip(&["tuntap", "add", "adieu0", "mode", "tun"]) {
            // One that persists without a process: it would outlive us.
            assert!(matches!(Tun::create(&named("adieu0")), Err(TunError::NameTaken { .. })));
        }
        let anonymous = Tun::create(&TunConfig::new(KERNEL)).unwrap();
        assert_eq!(anonymous.name(), "tun0");
    });
}

#[test]
fn a_subnet_is_given_once() {
    in_namespace("a_subnet_is_given_once", &[], async {
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
        if ip(&["route", "add", "10.11.12.9/32", "dev", "adieu1"]) {
            let behind = TunConfig { kernel: Ipv4Addr::new(10, 11, 12, 10).into(), ..named("adieu2") };
            assert_eq!(
                Tun::create(&behind).unwrap_err().to_string(),
                "cannot make a TUN device with the subnet 10.11.12.8/30 because this host already \
                 routes 10.11.12.9/32 through `adieu1`: choose a subnet that this host does not use"
            );
        }
    });
}

#[test]
fn the_interface_goes_with_its_owner() {
    in_namespace("the_interface_goes_with_its_owner", &[], async {
        for _ in 0..3 {
            let tun = Tun::create(&named("adieu0")).unwrap();
            assert!(interface_exists("adieu0"));
            drop(tun);
            assert!(!interface_exists("adieu0"));
        }
    });
}

#[test]
fn the_interface_speaks_no_ipv6() {
    in_namespace("the_interface_speaks_no_ipv6", &[], async {
        let tun = Tun::create(&named("adieu0")).unwrap();
        let switch = "/proc/sys/net/ipv6/conf/adieu0/disable_ipv6";
        if OpenOptions::new().write(true).open(switch).is_ok() {
            assert_eq!(std::fs::read(switch).unwrap(), b"1\n");
            let quiet = tokio::time::timeout(Duration::from_millis(300), tun.readable()).await;
            assert!(quiet.is_err(), "something was sent");
        }
    });
}

#[test]
fn removal_by_others_is_told() {
    in_namespace("removal_by_others_is_told", &[], async {
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
            ip(&["link", "delete", "adieu0"])
        };
        let told = tokio::time::timeout(Duration::from_secs(2), told);
        if let (told, true) = tokio::join!(told, removal) {
            let told = told.expect("the removal wakes the reader");
            assert_eq!(told.to_string(), "the interface `adieu0` was removed");
            let told = tun.try_send(&[IoSlice::new(&udp_header(9, 0))]).unwrap_err();
            assert_eq!(told.kind(), io::ErrorKind::NotConnected);
        }
    });
}

#[test]
fn a_process_without_the_right_is_told_so() {
    let without = ["setpriv", "--bounding-set=-net_admin"];
    in_namespace("a_process_without_the_right_is_told_so", &without, async {
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
