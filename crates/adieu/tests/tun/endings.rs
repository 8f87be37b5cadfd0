//! How connections with the kernel end: a half-close with a budget, an answer to an upload nobody reads, a restart.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use adieu::device::{Fate, Impaired, tun_for};
use adieu::{Direction, State};
use adieu::{DrainBudget, Net, Suspended, TcpListener, TcpStream, Unwanted};
use adieu_core::Seq;
use adieu_core::wire::ip::{self, Datagram};
use adieu_core::wire::{Flags, Packet, Segment};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::device::alone;
use crate::diag::Diag;
use crate::family::Family;
use crate::harness::register;
use crate::link::{Link, Opener, soon};

register! {
    hc_1_a_half_close_with_a_budget_resets_an_idle_kernel(Family) needs Tun;
    hc_5_ap_11_the_kernel_hears_that_nobody_reads(Family) needs Tun;
    ud_8_close_drain_lets_the_kernels_client_read_the_whole_answer(Family) needs Tun;
    ud_1_a_plain_close_destroys_the_answer(Family) needs Tun;
    lm_9_a_net_that_is_dropped_resets_the_kernels_end(Family) needs Tun;
    lm_9_a_runtime_that_ends_resets_the_kernels_end(Family) needs Tun;
    qt_1_a_resumed_stack_answers_the_fin_that_comes_again(Family) needs Tun;
    qt_2_without_the_memory_the_fin_is_answered_with_a_reset(Family) needs Tun;
}

const UPLOAD: usize = 1_000_000;
const ANSWER: usize = 30_000;

/// TO-11: the kernel is named before, in FIN-WAIT-2, where the peer does not close.
fn hc_1_a_half_close_with_a_budget_resets_an_idle_kernel(family: Family) {
    alone(async move {
        let link = Link::new(family, |config| config.fin_wait_2_warning = Duration::from_millis(200));
        let (ours, mut theirs) = link.pair(Opener::Kernel).await;
        ours.set_label("idle");
        ours.set_half_close_idle(Some(Duration::from_millis(800)));
        ours.finish().await.unwrap();
        theirs.write_all(b"a word").await.unwrap();
        let receipt = soon("the end", ours.ended()).await;
        assert_eq!((receipt.ending.name(), receipt.received), ("aborted-half-close-idle", 6));
        let error = async {
            while theirs.read(&mut [0; 9]).await.unwrap() > 0 {}
            loop {
                if let Err(error) = theirs.write_all(b"x").await {
                    return error.kind();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(matches!(soon("the reset", error).await, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        let warnings = link.net.take_warnings();
        let [adieu::Warning::Stuck(stuck)] = &warnings[..] else { panic!("{warnings:?}") };
        assert_eq!((&*stuck.label, stuck.state), ("idle", State::FinWait2));
    });
}

fn hc_5_ap_11_the_kernel_hears_that_nobody_reads(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (mut ours, mut theirs) = link.pair(Opener::Adieu).await;
        ours.shutdown_read(Unwanted::Refuse);
        ours.write_all(b"still talking").await.unwrap();
        let mut heard = [0; 13];
        soon("the words", theirs.read_exact(&mut heard)).await.unwrap();
        theirs.write_all(b"more").await.unwrap();
        let error = soon("the reset", theirs.read(&mut heard)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(ours.ended().await.ending.name(), "aborted-data-after-close");
    });
}

/// A client of the kernel's uploads a megabyte and then reads; the server answers without reading, and closes. What the
/// client has read, and the receipt's ending.
async fn refused_upload(family: Family, budget: Option<DrainBudget>) -> (usize, &'static str) {
    let link = Link::new(family, |_| {});
    let [ours, _] = link.addresses();
    let listener = TcpListener::bind(&link.net, ours).unwrap();
    let client = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(ours).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut all = Vec::new();
        if stream.write_all(&[1; UPLOAD]).is_ok() {
            _ = stream.shutdown(Shutdown::Write);
        }
        std::thread::sleep(Duration::from_millis(100)); // A reset would be here.
        _ = stream.read_to_end(&mut all);
        all.len()
    });
    let (mut stream, _) = soon("a client", listener.accept()).await.unwrap();
    link.until("the upload", || stream.info().is_some_and(|info| info.bytes_received > 100_000)).await;
    stream.write_all(&[2; ANSWER]).await.unwrap();
    let closing = async {
        match budget {
            Some(budget) => stream.close_drain(budget).await,
            None => stream.close().await,
        }
    };
    let receipt = soon("the end", closing).await.unwrap_or_else(|error| error.receipt);
    (soon("the client", client).await.unwrap(), receipt.ending.name())
}

fn ud_8_close_drain_lets_the_kernels_client_read_the_whole_answer(family: Family) {
    alone(async move {
        let (read, ending) = refused_upload(family, Some(DrainBudget::default())).await;
        assert_eq!(read, ANSWER);
        assert!(ending.starts_with("graceful"), "{ending}");
    });
}

/// The control of the one above.
fn ud_1_a_plain_close_destroys_the_answer(family: Family) {
    alone(async move {
        let (read, ending) = refused_upload(family, None).await;
        assert!(read < ANSWER, "{read}");
        assert_eq!(ending, "aborted-close-with-unread");
    });
}

fn lm_9_a_net_that_is_dropped_resets_the_kernels_end(family: Family) {
    alone(async move {
        let link = Link::new(family, |_| {});
        let (ours, mut theirs) = link.pair(Opener::Kernel).await;
        tokio::time::sleep(Duration::from_millis(50)).await; // The handshake is over for the driver, too.
        drop((ours, link));
        let error = soon("the reset", theirs.read(&mut [0; 1])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

fn lm_9_a_runtime_that_ends_resets_the_kernels_end(family: Family) {
    let kernel = Arc::new(Mutex::new(None));
    let client = kernel.clone();
    let body = async move {
        let local = SocketAddr::new(family.stack().parse().unwrap(), 80);
        let (tun, _) = tun_for(local, Some("adieu0")).unwrap();
        let net = Net::builder(tun).address(local.ip()).start().unwrap();
        let listener = TcpListener::bind(&net, local).unwrap();
        let connecting = tokio::task::spawn_blocking(move || std::net::TcpStream::connect(local).unwrap());
        let (stream, _) = soon("a client", listener.accept()).await.unwrap();
        *client.lock().unwrap() = Some(connecting.await.unwrap());
        tokio::spawn(async move {
            let _held = (net, stream);
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
    };
    alone(body); // And its runtime is gone.
    let mut client = kernel.lock().unwrap().take().unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

// ---- a restart -------------------------------------------------------------------------------------------------

/// A segment of ours that has left.
#[derive(Clone, Copy, Debug)]
struct Left {
    flags: Flags,
    seq: Seq,
    stamp: Option<u32>,
}

/// A net on a wire that can be cut on our side, and what leaves on it.
struct Stand {
    net: Net,
    cut: Arc<AtomicBool>,
    left: Arc<Mutex<Vec<Left>>>,
}

impl Stand {
    fn new(local: SocketAddr, suspended: Option<Suspended>) -> Self {
        let (tun, _) = tun_for(local, Some("adieu0")).unwrap();
        let (cut, left) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (is_cut, notes) = (cut.clone(), left.clone());
        let (device, _) = Impaired::new(tun, move |way, bytes: &[u8]| {
            if way == Direction::In {
                return Fate::Pass;
            }
            notes.lock().unwrap().extend(segment(bytes));
            if is_cut.load(Relaxed) { Fate::Lose } else { Fate::Pass }
        });
        let builder = Net::builder(device).address(local.ip());
        let builder = match suspended {
            Some(suspended) => builder.resume(suspended),
            None => builder,
        };
        Self { net: builder.start().unwrap(), cut, left }
    }

    fn left(&self, flag: Flags) -> Vec<Left> {
        self.left.lock().unwrap().iter().filter(|left| left.flags.has(flag)).copied().collect()
    }
}

fn segment(bytes: &[u8]) -> Option<Left> {
    let datagram = Datagram::parse(bytes).ok().filter(|datagram| datagram.protocol == ip::TCP)?;
    let segment = Segment::parse(datagram.body, &Packet::new(bytes))?;
    let stamp = segment.options.timestamps.map(|stamp| stamp.value);
    Some(Left { flags: segment.flags, seq: segment.seq, stamp })
}

/// Our stack closes first, and is gone before its ACK of the kernel's FIN has got through: the kernel is in LAST-ACK.
struct Halfway {
    ours: SocketAddr,
    theirs: SocketAddr,
    suspended: Suspended,
    /// Our last segment.
    last: Left,
}

impl Halfway {
    async fn new(family: Family) -> Self {
        let ours = SocketAddr::new(family.stack().parse().unwrap(), 80);
        let theirs = SocketAddr::new(family.kernel().parse().unwrap(), 5000);
        let stand = Stand::new(ours, None);
        let (stream, mut kernel) = connection(&stand.net, ours, theirs).await;
        stream.finish().await.unwrap();
        assert_eq!(soon("our FIN", kernel.read(&mut [0; 1])).await.unwrap(), 0);
        stand.cut.store(true, Relaxed);
        drop(kernel);
        let receipt = soon("the goodbye", stream.close()).await.unwrap();
        assert_eq!(receipt.ending.name(), "graceful-local-first");
        stand.net.flushed().await;
        let suspended = stand.net.suspend();
        let last = *stand.left.lock().unwrap().last().unwrap();
        drop(stand.net);
        // The driver ends, and the interface goes.
        gone("adieu0").await;
        assert_eq!(state(theirs, ours), Some(State::LastAck));
        Self { ours, theirs, suspended: Suspended::from_bytes(&suspended.to_bytes()).unwrap(), last }
    }
}

async fn connection(net: &Net, ours: SocketAddr, theirs: SocketAddr) -> (TcpStream, tokio::net::TcpStream) {
    let listener = TcpListener::bind(net, ours).unwrap();
    let socket = if ours.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(theirs).unwrap();
    let both = async { tokio::join!(listener.accept(), socket.connect(ours)) };
    let (stream, kernel) = soon("a connection", both).await;
    (stream.unwrap().0, kernel.unwrap())
}

fn state(kernel: SocketAddr, ours: SocketAddr) -> Option<State> {
    Diag::new().unwrap().look(kernel, ours).unwrap().map(|socket| socket.state)
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let wait = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon(what, wait).await;
}

async fn gone(interface: &str) {
    let there = || std::fs::read_to_string("/proc/thread-self/net/dev").unwrap().contains(interface);
    until("the interface is gone", || !there()).await;
}

/// QT-1 a, b, d: the FIN that comes again gets its ACK, and a new connection between the same addresses and ports has
/// later numbers and timestamps.
fn qt_1_a_resumed_stack_answers_the_fin_that_comes_again(family: Family) {
    alone(async move {
        let Halfway { ours, theirs, suspended, last } = Halfway::new(family).await;
        let stand = Stand::new(ours, Some(suspended));
        let flow = adieu::Flow::new(ours, theirs);
        assert_eq!(stand.net.state(&flow), State::TimeWait);
        until("the kernel's end is closed", || state(theirs, ours).is_none()).await;
        assert!(stand.left(Flags::RST).is_empty(), "{:?}", stand.left(Flags::RST));
        let answers = stand.left(Flags::ACK);
        assert!(!answers.is_empty() && answers.iter().all(|left| left.seq == last.seq), "{answers:?}");
        assert!(answers.iter().all(|left| later(left.stamp, last.stamp)), "{answers:?} after {last:?}");

        let (stream, kernel) = connection(&stand.net, ours, theirs).await;
        let syn = stand.left(Flags::SYN)[0];
        assert!(syn.seq.distance(last.seq) > 0, "{syn:?} after {last:?}");
        assert!(later(syn.stamp, last.stamp), "{syn:?} after {last:?}");
        drop(kernel);
        soon("the end", stream.close()).await.unwrap();
    });
}

fn later(stamp: Option<u32>, than: Option<u32>) -> bool {
    matches!((stamp, than), (Some(stamp), Some(than)) if stamp.wrapping_sub(than).cast_signed() > 0)
}

/// The control of the one above: a stack that has forgotten answers as RFC 9293 section 3.5.1 has it.
fn qt_2_without_the_memory_the_fin_is_answered_with_a_reset(family: Family) {
    alone(async move {
        let Halfway { ours, theirs, .. } = Halfway::new(family).await;
        let stand = Stand::new(ours, None);
        until("the kernel's end is closed", || state(theirs, ours).is_none()).await;
        assert!(!stand.left(Flags::RST).is_empty());
    });
}
