//! A network namespace for each scenario: the kernel's timers in it are ours to shorten, its counters begin at zero.

use std::fs;

use crate::failure::Failure;
use crate::rootless;

/// The network namespace this thread is in, which nobody else uses.
pub(super) struct Place;

impl Place {
    /// Leaves the namespace adieu was started in. Must be called before any thread is started.
    pub(super) fn leave_host() -> Result<Self, Failure> {
        rootless::leave_host()?;
        Ok(Self)
    }

    /// A fresh namespace instead of the one used before, whose sockets and interfaces go away with it.
    pub(super) fn renew(&self) -> Result<(), Failure> {
        rootless::another_namespace()?;
        // An address is usable at once: there is nobody on the link who could have it, too.
        for interfaces in ["all", "default"] {
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{interfaces}/accept_dad"), "0");
        }
        Ok(())
    }

    /// Sets one of the kernel's parameters of TCP.
    pub(super) fn set(&self, name: &str, value: u32) -> Result<(), Failure> {
        fs::write(format!("/proc/sys/net/ipv4/{name}"), value.to_string()).map_err(|error| {
            Failure::usage(format!(
                "cannot set net.ipv4.{name} in a network namespace of its own: {error}; /proc/sys must be writable, \
                 as it is outside of containers"
            ))
        })
    }

    /// What the kernel has counted in this namespace and is of interest here, without zeros.
    pub(super) fn counters(&self) -> Vec<(&'static str, u64)> {
        let text: String = ["/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat"]
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok())
            .collect();
        let all = counters(&text);
        let value = |name: &&str| all.iter().find(|(known, _)| known == name).map_or(0, |(_, value)| *value);
        COUNTERS.iter().map(|name| (*name, value(name))).filter(|(_, value)| *value > 0).collect()
    }
}

/// Pairs of lines, names first, then values: `Tcp: ActiveOpens ..` and `Tcp: 1 ..`.
fn counters(text: &str) -> Vec<(&str, u64)> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.chunks_exact(2).flat_map(|pair| {
        let [names, values] = [pair[0], pair[1]].map(str::split_whitespace);
        names.zip(values).skip(1)
    });
    pairs.filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect()
}

/// Counters that say how connections ended, and what it took (`nstat` shows them with `Tcp` or `TcpExt` in front).
const COUNTERS: &[&str] = &[
    "ActiveOpens",
    "PassiveOpens",
    "AttemptFails",
    "EstabResets",
    "RetransSegs",
    "InErrs",
    "OutRsts",
    "TCPTimeouts",
    "TCPAbortOnData",
    "TCPAbortOnClose",
    "TCPAbortOnTimeout",
    "TCPAbortOnLinger",
    "TCPAbortFailed",
    "TCPChallengeACK",
    "TCPSYNChallenge",
    "TCPACKSkippedTimeWait",
    "TCPACKSkippedFinWait2",
    "TCPACKSkippedChallenge",
    "TCPOFOQueue",
    "TCPToZeroWindowAdv",
    "TCPWinProbe",
    "TCPKeepAlive",
    "TWRecycled",
    "TWKilled",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_by_the_line_above_them() {
        let text = "Tcp: RtoAlgorithm MaxConn OutRsts\nTcp: 1 -1 3\nUdp: In Out\nUdp: 4 5\n";
        assert_eq!(counters(text), [("RtoAlgorithm", 1), ("OutRsts", 3), ("In", 4), ("Out", 5)]);
        assert_eq!(counters("Tcp: A B"), []);
    }

    #[test]
    fn this_kernel_knows_most_of_them() {
        let text: String = ["snmp", "netstat"]
            .iter()
            .filter_map(|file| fs::read_to_string(format!("/proc/net/{file}")).ok())
            .collect();
        let known = counters(&text);
        let missing: Vec<_> = COUNTERS.iter().filter(|name| !known.iter().any(|(known, _)| known == *name)).collect();
        assert!(known.is_empty() || missing.len() < 4, "{missing:?}");
    }
}
