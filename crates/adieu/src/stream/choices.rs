//! What an application chooses for a stream, and what it is shown of it.

use std::io;
use std::task::Poll;
use std::time::Duration;

use adieu_core::{Info, Keepalive, Settings};

use super::TcpStream;
use crate::error;
use crate::tasks::For;

impl TcpStream {
    /// How the connection is doing: round-trip times, windows, losses, counts. Of one that has ended: how it was then.
    /// `None` where it never came to a connection.
    pub fn info(&self) -> Option<Info> {
        self.shared.lock().stack.info(self.handle)
    }

    /// All that is chosen for this stream.
    pub fn settings(&self) -> Settings {
        self.shared.lock().stack.settings(self.handle)
    }

    /// Chooses all of it anew, from now on. [`Settings::max_segment`] and [`Settings::exchange_user_timeout`] count
    /// only before the connection is made: [`connect_with`](Self::connect_with) takes them.
    ///
    /// # Errors
    /// `InvalidInput` where [`Settings::dscp`] is above 63; nothing is changed then.
    pub fn set(&self, settings: Settings) -> io::Result<()> {
        error::check(&settings)?;
        self.change(|chosen| *chosen = settings);
        Ok(())
    }

    /// Sends small segments at once instead of gathering them while others are under way (Nagle; RFC 9293 section
    /// 3.7.4). Off in the beginning. What waits goes out now.
    pub fn set_nodelay(&self, nodelay: bool) {
        self.change(|chosen| chosen.nodelay = nodelay);
    }

    /// Whether small segments are sent at once.
    pub fn nodelay(&self) -> bool {
        self.settings().nodelay
    }

    /// Has an idle peer asked whether it is still there (RFC 9293 section 3.8.4), or not any more. `None` in the
    /// beginning. Times below 1 s count as 1 s, no probe as one. A peer that answers none of the probes ends the
    /// connection with `TimedOut`.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        self.change(|chosen| chosen.keepalive = keepalive);
    }

    /// When and how often an idle peer is asked.
    pub fn keepalive(&self) -> Option<Keepalive> {
        self.settings().keepalive
    }

    /// How long what was sent may stay unacknowledged before the connection ends with `TimedOut` (RFC 9293 section
    /// 3.8.3, MUST-21; RFC 5482). [`Duration::MAX`]: for ever. `None` in the beginning: after
    /// [`Config::retries`](crate::Config::retries) retransmissions.
    pub fn set_user_timeout(&self, timeout: Option<Duration>) {
        self.change(|chosen| chosen.user_timeout = timeout);
    }

    /// How long what was sent may stay unacknowledged.
    pub fn user_timeout(&self) -> Option<Duration> {
        self.settings().user_timeout
    }

    /// With one direction closed: how long nothing may come or go before the connection is reset. Counts from the last
    /// data, or from the FIN where that is later; up to 24 days. `None` in the beginning: for ever (RFC 9293 section
    /// 3.6).
    pub fn set_half_close_idle(&self, idle: Option<Duration>) {
        self.change(|chosen| chosen.half_close_idle = idle);
    }

    /// How long nothing may come or go with one direction closed.
    pub fn half_close_idle(&self) -> Option<Duration> {
        self.settings().half_close_idle
    }

    /// With one direction closed: how long the other may last in all before the connection is reset; up to 24 days.
    /// `None` in the beginning: for ever.
    pub fn set_half_close_total(&self, total: Option<Duration>) {
        self.change(|chosen| chosen.half_close_total = total);
    }

    /// How long one direction may last with the other closed.
    pub fn half_close_total(&self) -> Option<Duration> {
        self.settings().half_close_total
    }

    /// The differentiated services code point of what is sent from now on (RFC 2474; RFC 9293 MUST-48, SHLD-21), 0 to
    /// 63: the upper six bits of what `IP_TOS` sets. 0 in the beginning. A connection should rarely change it
    /// (SHLD-23): segments of one class that are overtaken by another's look lost.
    ///
    /// # Errors
    /// `InvalidInput` above 63.
    pub fn set_dscp(&self, dscp: u8) -> io::Result<()> {
        error::check(&Settings { dscp, ..Settings::default() })?;
        self.change(|chosen| chosen.dscp = dscp);
        Ok(())
    }

    /// The differentiated services code point of what is sent.
    pub fn dscp(&self) -> u8 {
        self.settings().dscp
    }

    /// Waits for room, and writes as much of `data` as there is room for, as urgent: the peer's application is told
    /// that something presses ahead of it in the stream (RFC 9293 section 3.8.5). The bytes stay in their place. For
    /// old protocols; new ones should not need it (RFC 6093 section 5). Cancel-safe: dropped before it is ready,
    /// nothing was written.
    ///
    /// # Errors
    /// Those of a write.
    pub async fn write_urgent(&self, data: &[u8]) -> io::Result<usize> {
        std::future::poll_fn(|context| {
            let now = self.shared.now();
            let mut shard = self.shared.lock();
            match shard.stack.write_urgent(now, self.handle, data).map_err(error::write) {
                Ok(n) => {
                    shard.dirty = true;
                    drop(shard);
                    self.shared.kick.notify_one();
                    Poll::Ready(Ok(n))
                }
                Err(Some(error)) => Poll::Ready(Err(error)),
                Err(None) => {
                    shard.check()?;
                    shard.tasks.wait(self.handle, For::Write, context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Bytes that are to be read up to the end of what the peer calls urgent; `None` where nothing urgent is left (RFC
    /// 9293 MUST-33). The bytes themselves are read as all others.
    pub fn urgent_ahead(&self) -> Option<u64> {
        self.shared.lock().stack.urgent_ahead(self.handle)
    }

    /// Waits until the peer calls something urgent that is not read yet, and says how far it reaches (RFC 9293
    /// MUST-32); `None` where the connection has ended. Cancel-safe.
    pub async fn urgent(&self) -> Option<u64> {
        let urgent = self.until_news(|shard, handle| match shard.stack.urgent_ahead(handle) {
            Some(ahead) => Some(Some(ahead)),
            None => shard.stack.receipt(handle).map(|_| None),
        });
        urgent.await.ok().flatten()
    }

    /// Waits for trouble that does not end the connection: an ICMP error that is believed, or the third retransmission
    /// in a row (RFC 9293 section 3.9.1.8; MUST-47, SHLD-9). One report for all that came since the last call; what it
    /// was stands in [`Info::last_icmp`] and [`Info::retransmits`]. `None` where the connection has ended.
    /// [`Settings::report_trouble`] switches it off. Cancel-safe; one task should wait at a time.
    pub async fn trouble(&self) -> Option<Info> {
        let trouble = self.until_news(|shard, handle| match shard.tasks.take_trouble(handle) {
            true => Some(shard.stack.info(handle)),
            false => shard.stack.receipt(handle).map(|_| None),
        });
        trouble.await.ok().flatten()
    }

    /// Changes what is chosen, with nothing in between.
    fn change(&self, change: impl FnOnce(&mut Settings)) {
        self.shared.step(|shard, now| {
            let mut settings = shard.stack.settings(self.handle);
            change(&mut settings);
            shard.stack.set(now, self.handle, settings);
        });
    }
}
