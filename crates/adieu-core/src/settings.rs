//! What an application may choose for one connection, before it exists or while it lives.

use crate::config::Algorithm;
use crate::time::Duration;

/// Choices for one connection. A listener's are inherited by what it accepts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Settings {
    /// Sends small segments at once instead of gathering them (RFC 9293 MUST-17; `TCP_NODELAY`). Default off.
    pub nodelay: bool,
    /// Asks an idle peer whether it is still there (RFC 9293 section 3.8.4; `SO_KEEPALIVE`). Default `None`: never.
    pub keepalive: Option<Keepalive>,
    /// How long something may stay unacknowledged before the connection is given up (RFC 9293 MUST-21;
    /// `TCP_USER_TIMEOUT`). [`Duration::MAX`]: for ever. Default `None`: after
    /// [`Config::retries`](crate::Config::retries).
    pub user_timeout: Option<Duration>,
    /// Tells the peer our user timeout, where there is one, and takes over the peer's, where there is none (RFC 5482
    /// section 3). Default off.
    pub exchange_user_timeout: bool,
    /// With one direction closed: how long nothing may come or go before the connection is reset, up to 24 days.
    /// Default `None`: for ever (RFC 9293 section 3.6; TO-8).
    pub half_close_idle: Option<Duration>,
    /// With one direction closed: how long the other may last in all before the connection is reset, up to 24 days.
    /// Default `None`: for ever.
    pub half_close_total: Option<Duration>,
    /// Upper bound of the segment size, ours and what we announce, in bytes from 48 (`TCP_MAXSEG`); counts only before
    /// the connection is made. Default `None`: what the path allows.
    pub max_segment: Option<u16>,
    /// Differentiated services code point of what we send, 0 to 63 (RFC 9293 MUST-48). Seldom worth changing while the
    /// connection lives: what has another code point may overtake what went before (SHLD-23, S23). Default 0.
    pub dscp: u8,
    /// Congestion control of this connection (`TCP_CONGESTION`). Default `None`:
    /// [`Config::congestion`](crate::Config::congestion).
    pub congestion: Option<Algorithm>,
    /// Reports trouble that does not end the connection as [`Events::TROUBLE`](crate::Events::TROUBLE) (RFC 9293
    /// MUST-47, SHLD-20). Default on.
    pub report_trouble: bool,
}

/// When an idle peer is asked, and for how long.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Keepalive {
    /// Idle time before the first probe; at least 1 s. Default 2 h (RFC 9293 MUST-28).
    pub idle: Duration,
    /// Time between probes; at least 1 s. Default 75 s.
    pub interval: Duration,
    /// Probes without an answer before the connection is given up; at least 1. Default 9.
    pub probes: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            nodelay: false,
            keepalive: None,
            user_timeout: None,
            exchange_user_timeout: false,
            half_close_idle: None,
            half_close_total: None,
            max_segment: None,
            dscp: 0,
            congestion: None,
            report_trouble: true,
        }
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(7200), interval: Duration::from_secs(75), probes: 9 }
    }
}
