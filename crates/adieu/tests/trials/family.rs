//! The two families of addresses, and what differs between them outside of the command.

use std::net::SocketAddr;

/// IPv4 or IPv6: what a test with a peer is run over, once each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// How it is named at the end of a test's name.
    pub(crate) fn name(self) -> &'static str {
        self.pick("ipv4", "ipv6")
    }

    /// The stack's own address where the command is given none.
    pub(crate) fn stack(self) -> &'static str {
        self.pick("10.77.0.1", "fd77::1")
    }

    /// The kernel's address on the same link.
    pub(crate) fn kernel(self) -> &'static str {
        self.pick("10.77.0.2", "fd77::2")
    }

    /// Of two values, the one for this family.
    pub(crate) fn pick<T>(self, ipv4: T, ipv6: T) -> T {
        match self {
            Self::Ipv4 => ipv4,
            Self::Ipv6 => ipv6,
        }
    }

    /// What scripts find in their environment: bare addresses as tools take them, and the same with brackets where a
    /// port follows.
    pub(crate) fn environment(self) -> [(&'static str, String); 7] {
        let (stack, kernel) = (self.stack(), self.kernel());
        [
            ("STACK", with_brackets(stack)),
            ("KERNEL", with_brackets(kernel)),
            ("STACK_ADDR", stack.to_owned()),
            ("KERNEL_ADDR", kernel.to_owned()),
            ("KERNEL_NET", self.pick("10.77.0.2/30", "fd77::2/126").to_owned()),
            // An address that the kernel still asks the link about cannot be bound.
            ("NODAD", self.pick("", "nodad").to_owned()),
            // As nft and the names of sysctls have it.
            ("IP", self.pick("ip", "ip6").to_owned()),
        ]
    }
}

/// An address as it stands before a colon and a port.
pub(crate) fn with_brackets(address: &str) -> String {
    let socket = SocketAddr::new(address.parse().expect("an address"), 0).to_string();
    socket.trim_end_matches(":0").to_owned()
}
