//! A connection as a stream of bytes each way.

mod choices;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use adieu_core::{DrainBudget, Flow, HandleId, Receipt, RecvSide, SendSide, Settings, State, Unwanted};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::error::{self, AtExpiry, CloseError, LingerError};
use crate::net::{Held, Net, Shard};
use crate::tasks::For;

/// A TCP connection.
///
/// Dropped, it is closed in the background: what was written still goes out, then the FIN. With received bytes unread
/// that is a reset, since a FIN would tell the peer that they were taken.
///
/// Errors are sticky: after a reset every read says so, and never "end of stream".
#[derive(Debug)]
pub struct TcpStream {
    shared: Arc<Held>,
    handle: HandleId,
    flow: Flow,
}

impl TcpStream {
    pub(crate) fn new(shared: Arc<Held>, handle: HandleId, flow: Flow) -> Self {
        Self { shared, handle, flow }
    }

    /// Connects to `remote` from an address of the net and a free port. Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// `ConnectionRefused`, `TimedOut` (after about three minutes), or what keeps it from being tried.
    pub async fn connect(net: &Net, remote: SocketAddr) -> io::Result<Self> {
        Self::open(net, None, remote, Settings::default()).await
    }

    /// Connects from an address and port of one's own choice; port 0 takes a free one.
    ///
    /// # Errors
    /// Those of [`connect`](Self::connect); `AddrInUse` where a connection, or its record in TIME-WAIT, has both ends'
    /// addresses; `AddrNotAvailable` where the address is none of the net's.
    pub async fn connect_from(net: &Net, local: SocketAddr, remote: SocketAddr) -> io::Result<Self> {
        Self::open(net, Some(local), remote, Settings::default()).await
    }

    /// Connects with settings, which count from the first segment on; from `local` where it is given, as with
    /// [`connect_from`](Self::connect_from).
    ///
    /// # Errors
    /// Those of [`connect_from`](Self::connect_from); `InvalidInput` where [`Settings::dscp`] is above 63.
    pub async fn connect_with(
        net: &Net,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        settings: Settings,
    ) -> io::Result<Self> {
        error::check(&settings)?;
        Self::open(net, local, remote, settings).await
    }

    async fn open(net: &Net, local: Option<SocketAddr>, remote: SocketAddr, settings: Settings) -> io::Result<Self> {
        let shared = net.shared.clone();
        let (handle, flow) = shared.step(|shard, now| {
            shard.check()?;
            let handle = shard.stack.connect_with(now, local, remote, settings).map_err(error::connect)?;
            let flow = shard.stack.flow(handle).unwrap_or(Flow::new(remote, remote));
            Ok::<_, io::Error>((handle, flow))
        })?;
        let stream = Self::new(shared, handle, flow);
        let mut attempt = Attempt { stream: &stream, over: false };
        stream
            .until(|shard, handle| match (shard.stack.receipt(handle), shard.stack.state(handle)) {
                (Some(receipt), _) if receipt.ending.state() <= State::SynReceived => {
                    Some(Err(error::ended(receipt.ending)))
                }
                (Some(_), _) => Some(Ok(())),
                (None, state) => (state >= State::Established).then_some(Ok(())),
            })
            .await??;
        attempt.over = true;
        drop(attempt);
        Ok(stream)
    }

    /// Our end.
    pub fn local_addr(&self) -> SocketAddr {
        self.flow.local()
    }

    /// The peer's end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.flow.remote()
    }

    /// The state by its RFC name; CLOSED after the ending, TIME-WAIT while that lasts.
    pub fn state(&self) -> State {
        self.shared.lock().stack.state(self.handle)
    }

    /// The receipt, if the connection has ended.
    pub fn receipt(&self) -> Option<Receipt> {
        self.shared.lock().stack.receipt(self.handle)
    }

    /// Sends our FIN after what was written, and waits until the peer's TCP has acknowledged all of it. Reading goes
    /// on. Cancel-safe: the FIN is sent either way.
    ///
    /// # Errors
    /// Where the connection ended before that.
    pub async fn finish(&self) -> io::Result<()> {
        self.half_close();
        self.until(|shard, handle| match shard.stack.receipt(handle) {
            _ if shard.stack.is_finished(handle) => Some(Ok(())),
            Some(receipt) => Some(Err(error::ended(receipt.ending))),
            None => None,
        })
        .await?
    }

    /// Full close: sends our FIN after what was written, and waits until both directions are complete. Read to the end
    /// of the stream first: with received bytes unread, and where more come, this resets the connection. A peer that
    /// never closes its direction is given up after [`Config::fin_wait_2`](crate::Config::fin_wait_2).
    ///
    /// # Errors
    /// Where the connection ended otherwise; the error holds the receipt.
    pub async fn close(self) -> Result<Receipt, CloseError> {
        self.shared.step(|shard, now| shard.stack.close(now, self.handle));
        self.gracefully().await
    }

    /// Full close that survives unread input: our FIN follows what was written, and what comes meanwhile is
    /// acknowledged and thrown away, until `budget` is spent; then a reset. Waits until both directions are complete.
    ///
    /// For a server that answers before it has read everything: the reset of a plain [`close`](Self::close) may destroy
    /// the answer before the peer has read it (UD-8). Dropped, the close goes on in the background.
    ///
    /// # Errors
    /// Where the connection ended otherwise, for instance because the budget was spent; the error holds the receipt.
    pub async fn close_drain(self, budget: DrainBudget) -> Result<Receipt, CloseError> {
        self.shared.step(|shard, now| shard.stack.close_drain(now, self.handle, budget));
        self.gracefully().await
    }

    /// Waits until the connection has ended.
    async fn gracefully(&self) -> Result<Receipt, CloseError> {
        let receipt = self.ended().await;
        if receipt.ending.is_graceful() { Ok(receipt) } else { Err(CloseError { receipt }) }
    }

    /// No more reading: what has come and was not read is thrown away, and reads find the end of the stream
    /// (`shutdown(SHUT_RD)`; HC-5). Nothing is sent. What comes from now on draws a reset, or is thrown away: see
    /// [`Unwanted`]. Where our own direction is closed, too, throwing bytes away is a reset, as with every full close.
    pub fn shutdown_read(&self, unwanted: Unwanted) {
        self.shared.step(|shard, now| shard.stack.shut_down_read(now, self.handle, unwanted));
    }

    /// What became of both directions so far; `None` where it never came to a connection.
    pub fn sides(&self) -> Option<(SendSide, RecvSide)> {
        self.shared.lock().stack.sides(self.handle)
    }

    /// Names the connection, for [`Net::take_warnings`] and [`Net::flows`]; an empty name is none.
    pub fn set_label(&self, label: &str) {
        self.shared.lock().stack.set_label(self.handle, label);
    }

    /// What the connection is called; empty if nothing.
    pub fn label(&self) -> String {
        self.shared.lock().stack.label(self.handle).unwrap_or_default().to_owned()
    }

    /// Full close that waits until every byte, and our FIN, is at the peer's TCP, but at most for `patience`; neither
    /// for the peer's FIN nor for TIME-WAIT (`SO_LINGER` with a time). Dropped, the close goes on in the background.
    ///
    /// # Errors
    /// [`LingerError::Expired`] when the time runs out, and then what `then` says; at once where the connection ends
    /// otherwise, with received bytes unread for instance.
    pub async fn linger(self, patience: Duration, then: AtExpiry) -> Result<(), LingerError> {
        self.shared.step(|shard, now| shard.stack.close(now, self.handle));
        let finished = self.until(|shard, handle| match shard.stack.receipt(handle) {
            _ if shard.stack.is_finished(handle) => Some(Ok(())),
            Some(receipt) if receipt.ending.is_graceful() => Some(Ok(())),
            Some(receipt) => Some(Err(LingerError::Ended(CloseError { receipt }))),
            None => None,
        });
        match tokio::time::timeout(patience, finished).await {
            Ok(Ok(finished)) => finished,
            // The device is gone.
            Ok(Err(_)) => Err(CloseError { receipt: self.ended().await }.into()),
            Err(_) => Err(self.shared.step(|shard, now| {
                let unacknowledged = shard.stack.unacknowledged(self.handle);
                if then == AtExpiry::Abort {
                    shard.stack.linger_expired(now, self.handle);
                }
                LingerError::Expired { unacknowledged }
            })),
        }
    }

    /// Waits until the connection has ended, and says how. It does not close anything.
    pub async fn ended(&self) -> Receipt {
        std::future::poll_fn(|context| {
            let mut shard = self.shared.lock();
            match shard.stack.receipt(self.handle) {
                Some(receipt) => Poll::Ready(receipt),
                None => {
                    // When the device goes, every connection has ended.
                    shard.tasks.wait(self.handle, For::End, context);
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Gives the connection up: a reset, now. The stream stays, for its receipt.
    pub fn abort(&self) {
        self.shared.step(|shard, now| shard.stack.abort(now, self.handle));
    }

    /// Makes a close, or dropping the stream, a reset that throws away what was not sent (`SO_LINGER` with 0 s).
    pub fn set_zero_linger(&self, zero: bool) {
        self.shared.step(|shard, now| shard.stack.set_zero_linger(now, self.handle, zero));
    }

    /// Waits until `look` sees something. Looks first, then after every ending, completed FIN or handshake.
    async fn until<R>(&self, look: impl Fn(&mut Shard, HandleId) -> Option<R>) -> io::Result<R> {
        self.until_any(For::End, look).await
    }

    /// As `until`, but looks after every ending, report of trouble, and announcement of something urgent.
    async fn until_news<R>(&self, look: impl Fn(&mut Shard, HandleId) -> Option<R>) -> io::Result<R> {
        self.until_any(For::News, look).await
    }

    async fn until_any<R>(&self, what: For, look: impl Fn(&mut Shard, HandleId) -> Option<R>) -> io::Result<R> {
        std::future::poll_fn(|context| {
            let mut shard = self.shared.lock();
            if let Some(seen) = look(&mut shard, self.handle) {
                return Poll::Ready(Ok(seen));
            }
            shard.check()?;
            shard.tasks.wait(self.handle, what, context);
            Poll::Pending
        })
        .await
    }
}

/// An attempt whose future is dropped is given up: with a reset, where the peer may be connected already (EO-3).
struct Attempt<'a> {
    stream: &'a TcpStream,
    over: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.stream.abort();
        }
    }
}

impl TcpStream {
    fn read_or_wait(&self, context: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let (now, mut shard) = (self.shared.now(), self.shared.lock());
        match shard.stack.read(now, self.handle, buffer.initialize_unfilled()) {
            Ok(n) => {
                buffer.advance(n);
                shard.dirty = true;
                drop(shard);
                self.shared.kick.notify_one(); // The window may have opened.
                Poll::Ready(Ok(()))
            }
            Err(error) => match error::read(error) {
                Some(error) => Poll::Ready(Err(error)),
                None => {
                    shard.check()?;
                    shard.tasks.wait(self.handle, For::Read, context);
                    Poll::Pending
                }
            },
        }
    }

    fn write_or_wait(&self, context: &Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let (now, mut shard) = (self.shared.now(), self.shared.lock());
        match shard.stack.write(now, self.handle, data) {
            Ok(n) => {
                shard.dirty = true;
                drop(shard);
                self.shared.kick.notify_one();
                Poll::Ready(Ok(n))
            }
            Err(error) => match error::write(error) {
                Some(error) => Poll::Ready(Err(error)),
                None => {
                    shard.check()?;
                    shard.tasks.wait(self.handle, For::Write, context);
                    Poll::Pending
                }
            },
        }
    }

    fn half_close(&self) {
        self.shared.step(|shard, now| shard.stack.shut_down(now, self.handle));
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.read_or_wait(context, buffer)
    }
}

/// As with std's stream: one task may read while another writes. Two that read at once lose each other's wake-up.
impl AsyncRead for &TcpStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.read_or_wait(context, buffer)
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.write_or_wait(context, data)
    }

    /// Does nothing: what is written leaves by itself. [`finish`](TcpStream::finish) waits until it has arrived.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Half-close: our FIN follows what was written. Does not wait for it to arrive.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half_close();
        Poll::Ready(Ok(()))
    }
}

/// As with std's stream: one task may write while another reads.
impl AsyncWrite for &TcpStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.write_or_wait(context, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.half_close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        self.shared.step(|shard, now| {
            shard.tasks.forget(self.handle);
            shard.stack.release(now, self.handle);
        });
    }
}
