//! Names and sentences: no kernel needed. The device itself is tried in tests/tun/device.rs.

use std::net::Ipv4Addr;

use super::*;

const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 11, 12, 1);

fn named(name: &str) -> TunConfig {
    TunConfig { name: Some(name.to_owned()), ..TunConfig::new(KERNEL) }
}

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
