//! What scenarios are played with: a client and a server, of which one is adieu and one the kernel's TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use adieu::device::{Impaired, Injector, Tun, TunConfig, neighbour};
use adieu::{Config, Direction, Flow, Leftover, Net, Receipt, State};
use adieu_core::wire::Flags;
use adieu_sim::{Forged, Rule};
use adieu_trace::Side::{self, Left, Right};
use adieu_trace::{Trace, human};
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep, timeout};

use super::diag::Diag;
use super::ends::End;
use super::place::Place;
use super::watch::Watch;
use crate::failure::Failure;
use crate::tour::show::grouped;
use crate::tour::{Check, Outcome, Pair};

/// The left end is the client, the right end the server.
pub(super) const CLIENT: Side = Left;
pub(super) const SERVER: Side = Right;
/// Where the server listens.
pub(super) const PORT: u16 = 80;
/// Longer than anything takes that is not meant to take longer.
const SOON: Duration = Duration::from_secs(8);
/// How often it is looked whether something has happened.
const OFTEN: Duration = Duration::from_millis(1);
/// Long enough for what is on the way to arrive, so that the ladder shows one thing at a time.
const PAUSE: Duration = Duration::from_millis(5);

/// Our TIME-WAIT where nobody asked for another.
const SHORT_WAIT: Duration = Duration::from_millis(500);

/// What a scenario begins with.
pub(super) struct Setup {
    /// Which end is adieu.
    pub(super) adieu: Side,
    pub(super) ipv6: bool,
    config: Config,
    parameters: Vec<(&'static str, u32)>,
    /// What differs from the defaults.
    unusual: Vec<Unusual>,
    /// The kernel's receive buffer, in bytes.
    receive_buffer: Option<u32>,
}

/// A setting that is not the default, so that the tour is short.
struct Unusual {
    side: Side,
    /// What it is called at that end.
    name: &'static str,
    value: String,
    default: &'static str,
}

impl Setup {
    pub(super) fn new(adieu: Side, ipv6: bool, time_wait: Option<Duration>) -> Self {
        let config = Config { time_wait: time_wait.unwrap_or(Config::default().time_wait), ..Config::default() };
        let mut setup = Self { adieu, ipv6, config, parameters: Vec::new(), unusual: Vec::new(), receive_buffer: None };
        if time_wait.is_none() {
            let short = |config: &mut Config| {
                (config.time_wait, config.unsafe_short_time_wait) = (SHORT_WAIT, true);
            };
            setup.ours(short, "time_wait", human(SHORT_WAIT), "60 s");
        }
        setup
    }

    /// Sets a parameter of the kernel's TCP in its namespace; the ladder says so.
    pub(super) fn kernel(&mut self, name: &'static str, value: u32, unit: &str, default: &'static str) {
        self.parameters.push((name, value));
        let value = format!("{value}{unit}");
        self.unusual.push(Unusual { side: self.adieu.other(), name, value, default });
    }

    /// Changes our configuration; the ladder says so.
    pub(super) fn ours(
        &mut self,
        change: impl FnOnce(&mut Config),
        name: &'static str,
        value: impl ToString,
        default: &'static str,
    ) {
        change(&mut self.config);
        self.unusual.push(Unusual { side: self.adieu, name, value: value.to_string(), default });
    }

    /// Makes the server's receive buffer small, whoever that is.
    pub(super) fn small_server(&mut self, bytes: u32) {
        if self.adieu == SERVER {
            return self.ours(|config| config.receive_buffer = bytes, "receive_buffer", bytes, "262144");
        }
        self.receive_buffer = Some(bytes);
        let value = bytes.to_string();
        self.unusual.push(Unusual { side: SERVER, name: "SO_RCVBUF", value, default: "131072" });
    }
}

pub(super) struct Stage {
    pub(super) adieu: Side,
    pub(super) net: Net,
    pub(super) watch: Watch,
    injector: Injector,
    addresses: [IpAddr; 2],
    ends: [Option<End>; 2],
    listener: Option<Listener>,
    /// The kernel's receive buffer, in bytes.
    receive_buffer: Option<u32>,
    pub(super) time_wait: Duration,
    /// Of adieu, in the order of their endings.
    receipts: Vec<(Flow, Receipt)>,
    /// What the kernel's application was told when a call failed.
    told: Option<io::ErrorKind>,
    /// What differs from the defaults, in words.
    unusual: String,
    checks: Vec<Check>,
}

enum Listener {
    Adieu(adieu::TcpListener),
    Linux(tokio::net::TcpListener),
}

impl Stage {
    /// A stack on a TUN in this namespace.
    pub(super) fn new(place: &Place, setup: Setup, names: [String; 2]) -> Result<Self, Failure> {
        for (name, value) in &setup.parameters {
            place.set(name, *value)?;
        }
        let ours: IpAddr = match setup.ipv6 {
            false => Ipv4Addr::new(10, 77, 0, 1).into(),
            true => Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1).into(),
        };
        let kernel = neighbour(ours)?;
        let addresses = if setup.adieu == Left { [ours, kernel] } else { [kernel, ours] };
        let tun = Tun::create(&TunConfig { name: Some("adieu0".into()), ..TunConfig::new(kernel) })?;
        let mut trace = Trace::new([0, 1].map(|end| adieu_trace::End {
            name: names[end].clone(),
            address: SocketAddr::new(addresses[end], if end == 0 { 0 } else { PORT }),
        }));
        trace.events.clear();
        let watch = Watch::new(setup.adieu, trace, Diag::new()?);
        let (device, injector) = Impaired::new(tun, watch.clone());
        let time_wait = setup.config.time_wait;
        let net = Net::builder(device)
            .configure(|config| *config = Config { mtu: config.mtu, ..setup.config })
            .address(ours)
            .tap(watch.tap())
            .start()?;
        for Unusual { side, name, value, .. } in &setup.unusual {
            watch.seen().note(*side, format!("({name}: {value})"));
        }
        let unusual: Vec<String> = setup
            .unusual
            .iter()
            .map(|Unusual { name, value, default, .. }| format!("{name} {value} ({default})"))
            .collect();
        Ok(Self {
            adieu: setup.adieu,
            net,
            watch,
            injector,
            addresses,
            ends: [None, None],
            listener: None,
            receive_buffer: setup.receive_buffer,
            time_wait,
            receipts: Vec::new(),
            told: None,
            unusual: unusual.join(", "),
            checks: Vec::new(),
        })
    }

    pub(super) fn linux(&self) -> Side {
        self.adieu.other()
    }

    pub(super) fn check(&mut self, claim: impl Into<String>, held: bool) {
        self.checks.push(Check { claim: claim.into(), held });
    }

    pub(super) fn note(&self, side: Side, text: impl Into<String>) {
        self.watch.seen().note(side, text);
    }

    pub(super) fn rule(&self, rule: Rule) {
        self.watch.seen().rule(rule);
    }

    // ---- opening -----------------------------------------------------------------------------------------------

    /// Server listens, client connects, server accepts; whether that went well.
    pub(super) async fn establish(&mut self) -> bool {
        if let Err(error) = self.listen() {
            self.note(SERVER, format!("error: {error}"));
            return false;
        }
        self.establish_from(0).await
    }

    pub(super) fn listen(&mut self) -> io::Result<()> {
        let address = SocketAddr::new(self.addresses[SERVER as usize], PORT);
        self.listener = Some(if self.adieu == SERVER {
            Listener::Adieu(adieu::TcpListener::bind(&self.net, address)?)
        } else {
            let socket = self.socket()?;
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Listener::Linux(socket.listen(16)?)
        });
        self.note(SERVER, "listen");
        self.watch.seen().enter(SERVER, State::Listen);
        Ok(())
    }

    /// A connection from a port of the client's to the listening server; port 0 takes a free one.
    pub(super) async fn establish_from(&mut self, port: u16) -> bool {
        let opened = self.open_pair(port, true).await;
        match opened {
            Ok(ends) => {
                self.ends = ends.map(Some);
                self.look();
                true
            }
            Err(error) => {
                self.told = Some(error.kind());
                self.note(CLIENT, format!("error: {}", plain(&error)));
                self.look();
                false
            }
        }
    }

    /// A further connection, which nobody follows: our end and the kernel's.
    pub(super) async fn another(&mut self) -> Option<(End, End)> {
        let [client, server] = self.open_pair(0, false).await.ok()?;
        Some(if self.adieu == CLIENT { (client, server) } else { (server, client) })
    }

    async fn open_pair(&self, port: u16, aloud: bool) -> io::Result<[End; 2]> {
        let say = |side, what: &str| {
            if aloud {
                self.note(side, what);
            }
        };
        match port {
            0 => say(CLIENT, "connect"),
            _ => say(CLIENT, &format!("connect from {port}")),
        }
        let connect = async { self.connect(CLIENT, port, PORT).await };
        let accept = async {
            let end = self.accept().await?;
            say(SERVER, "accept");
            Ok(end)
        };
        let both = async { tokio::try_join!(connect, accept) };
        let (client, server) = self.watched(both).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))?;
        Ok([client, server])
    }

    pub(super) async fn connect(&self, side: Side, from: u16, to: u16) -> io::Result<End> {
        let [local, remote] =
            [(side, from), (side.other(), to)].map(|(side, port)| SocketAddr::new(self.addresses[side as usize], port));
        if side == self.adieu {
            return Ok(End::Adieu(adieu::TcpStream::connect_from(&self.net, local, remote).await?));
        }
        let socket = self.socket()?;
        if from != 0 {
            socket.bind(local)?;
        }
        Ok(End::Linux(socket.connect(remote).await?))
    }

    async fn accept(&self) -> io::Result<End> {
        match &self.listener {
            Some(Listener::Adieu(listener)) => Ok(End::Adieu(listener.accept().await?.0)),
            Some(Listener::Linux(listener)) => Ok(End::Linux(listener.accept().await?.0)),
            // Nobody listens: the client is told.
            None => std::future::pending().await,
        }
    }

    /// Whether no connection waits for the listener.
    pub(super) async fn nothing_to_accept(&mut self) -> bool {
        timeout(PAUSE, self.accept()).await.is_err()
    }

    /// A socket of the kernel's, not bound yet.
    fn socket(&self) -> io::Result<TcpSocket> {
        let socket = if self.addresses[0].is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        Ok(socket)
    }

    /// Both ends at once, each from a port of its own to the other's; whether one connection came of it.
    pub(super) async fn meet(&mut self, ports: [u16; 2]) -> bool {
        for side in [CLIENT, SERVER] {
            self.note(side, "connect");
        }
        let both = async {
            tokio::try_join!(self.connect(CLIENT, ports[0], ports[1]), self.connect(SERVER, ports[1], ports[0]))
        };
        let met = self.watched(both).await;
        let Some(Ok((client, server))) = met else { return false };
        self.ends = [Some(client), Some(server)];
        true
    }

    // ---- what the applications do ------------------------------------------------------------------------------

    pub(super) async fn say(&mut self, side: Side, words: &[u8]) -> bool {
        self.note(side, format!("write {:?}", String::from_utf8_lossy(words)));
        self.write(side, words).await
    }

    /// Whether all was taken by the end's own TCP.
    pub(super) async fn write(&mut self, side: Side, bytes: &[u8]) -> bool {
        let Some(mut end) = self.ends[side as usize].take() else { return false };
        let written = self.watched(end.write(bytes)).await;
        self.ends[side as usize] = Some(end);
        self.look();
        self.keep_error(side, written)
    }

    /// Waits for words, and reads them.
    pub(super) async fn hear(&mut self, side: Side) -> Vec<u8> {
        let Some(mut end) = self.ends[side as usize].take() else { return Vec::new() };
        let mut buffer = vec![0; 64 * 1024];
        let read = self.watched(end.read(&mut buffer)).await;
        self.ends[side as usize] = Some(end);
        if let Some(Ok(length)) = read {
            buffer.truncate(length);
            self.note(side, format!("read {:?}", String::from_utf8_lossy(&buffer)));
        } else {
            buffer.clear();
        }
        self.look();
        self.keep_error(side, read);
        buffer
    }

    /// Reads all up to the end of the stream.
    pub(super) async fn hear_all(&mut self, side: Side) -> Vec<u8> {
        let Some(mut end) = self.ends[side as usize].take() else { return Vec::new() };
        let read = self.watched(end.read_to_end()).await;
        self.ends[side as usize] = Some(end);
        self.look();
        let Some(Ok(all)) = read else { return Vec::new() };
        self.note(side, format!("read {} bytes, then end of stream", grouped(all.len())));
        all
    }

    /// Waits for the end of the stream; whether it came, and nothing before it.
    pub(super) async fn hear_end(&mut self, side: Side) -> bool {
        let Some(mut end) = self.ends[side as usize].take() else { return false };
        let read = self.watched(end.read(&mut [0; 1])).await;
        self.ends[side as usize] = Some(end);
        let ended = matches!(read, Some(Ok(0)));
        if ended {
            self.note(side, "read: end of stream");
        }
        self.look();
        self.keep_error(side, read);
        ended
    }

    /// Waits until the end's application is told that the connection has failed; whether it was.
    pub(super) async fn hear_error(&mut self, side: Side) -> bool {
        let Some(mut end) = self.ends[side as usize].take() else { return false };
        let read = self.watched(end.read_to_end()).await;
        self.ends[side as usize] = Some(end);
        self.look();
        match read {
            Some(Err(error)) => {
                self.note(side, format!("error: {}", plain(&error)));
                self.keep_error::<()>(side, Some(Err(error)));
                true
            }
            Some(Ok(_)) | None => false,
        }
    }

    /// One end says "hello", the other hears it, and the first knows that it has.
    pub(super) async fn greet(&mut self, from: Side) {
        self.say(from, b"hello").await;
        self.hear(from.other()).await;
        self.acknowledged(from).await;
    }

    /// Waits until all that an end has sent is acknowledged.
    pub(super) async fn acknowledged(&mut self, side: Side) -> bool {
        let done = self
            .until(|stage| match side == stage.adieu {
                true => stage.net.held().bytes == 0,
                false => stage.watch.seen().socket().is_none_or(|socket| socket.unacknowledged == 0),
            })
            .await;
        self.pause().await;
        done
    }

    /// Much data from one end to the other; whether all came, and nothing else.
    pub(super) async fn pour(&mut self, from: Side, bytes: usize) -> bool {
        let data: Vec<u8> = (0..=250).cycle().take(bytes).collect();
        let [near, far] = [from, from.other()].map(|side| self.ends[side as usize].take());
        let (Some(mut near), Some(mut far)) = (near, far) else { return false };
        self.note(from, format!("write {} bytes", grouped(bytes)));
        let mut got = vec![0; bytes];
        let read = async {
            let mut length = 0;
            while length < bytes {
                match far.read(&mut got[length..]).await? {
                    0 => break,
                    more => length += more,
                }
            }
            Ok::<_, io::Error>(length)
        };
        let both = self.watched(async { tokio::try_join!(near.write(&data), read) }).await;
        let whole = matches!(both, Some(Ok(((), length))) if length == bytes) && got == data;
        self.note(from.other(), format!("read {} bytes", grouped(bytes)));
        self.ends[from as usize] = Some(near);
        self.ends[from.other() as usize] = Some(far);
        self.acknowledged(from).await;
        whole
    }

    pub(super) async fn shut_down(&mut self, side: Side) {
        self.note(side, "shutdown: no more to say");
        if let Some(end) = &mut self.ends[side as usize] {
            let _ = end.shut_down().await;
        }
        self.look();
    }

    /// Full close: nobody holds this end any more.
    pub(super) fn close(&mut self, side: Side) {
        self.note(side, "close");
        self.ends[side as usize] = None;
        self.look();
    }

    /// Reset.
    pub(super) fn abort(&mut self, side: Side) {
        self.note(side, if side == self.adieu { "abort" } else { "close with linger 0 s: abort" });
        if let Some(End::Adieu(stream)) = &self.ends[side as usize] {
            stream.abort();
        }
        if let Some(end @ End::Linux(_)) = self.ends[side as usize].take() {
            end.set_zero_linger();
        }
        self.look();
    }

    pub(super) fn end(&self, side: Side) -> Option<&End> {
        self.ends[side as usize].as_ref()
    }

    /// An end whose application goes on elsewhere.
    pub(super) fn take_end(&mut self, side: Side) -> Option<End> {
        self.ends[side as usize].take()
    }

    /// The four-way goodbye: one end closes its direction, the other reads to the end and closes its own.
    pub(super) async fn part(&mut self, first: Side) {
        let second = first.other();
        self.shut_down(first).await;
        self.hear_end(second).await;
        self.reaches(first, State::FinWait2).await;
        self.pause().await;
        self.close(second);
        self.hear_end(first).await;
        self.reaches(second, State::Closed).await;
        self.close_silently(first);
    }

    /// Lets go of an end whose directions are both complete: that changes nothing.
    pub(super) fn close_silently(&mut self, side: Side) {
        self.ends[side as usize] = None;
        self.look();
    }

    /// A segment that nobody has sent, as if from this end. Numbers count from the initial ones.
    pub(super) fn forge(&mut self, from: Side, forged: &Forged<'_>) {
        let Some(packet) = self.watch.seen().forge(from, forged) else { return };
        let direction = if from == self.adieu { Direction::Out } else { Direction::In };
        let _ = self.injector.inject(direction, &packet);
        self.look();
    }

    // ---- time --------------------------------------------------------------------------------------------------

    /// Looks at both ends.
    pub(super) fn look(&mut self) {
        self.watch.look(&self.net);
        self.receipts.extend(self.net.take_receipts());
    }

    /// Waits for something, looking at both ends meanwhile; `None` where it takes too long.
    pub(super) async fn watched<T>(&self, what: impl Future<Output = T>) -> Option<T> {
        let mut what = std::pin::pin!(what);
        let waited = timeout(SOON, async {
            loop {
                tokio::select! {
                    biased;
                    done = &mut what => return done,
                    () = sleep(OFTEN) => self.watch.look(&self.net),
                }
            }
        });
        waited.await.ok()
    }

    pub(super) async fn until(&mut self, goal: impl FnMut(&mut Self) -> bool) -> bool {
        self.until_within(SOON, goal).await
    }

    pub(super) async fn until_within(&mut self, limit: Duration, mut goal: impl FnMut(&mut Self) -> bool) -> bool {
        let began = Instant::now();
        loop {
            self.look();
            if goal(self) {
                return true;
            }
            if began.elapsed() > limit {
                return false;
            }
            sleep(OFTEN).await;
        }
    }

    pub(super) async fn reaches(&mut self, side: Side, state: State) -> bool {
        self.until(|stage| stage.state(side) == state).await
    }

    pub(super) async fn pause(&mut self) {
        self.wait(PAUSE).await;
    }

    pub(super) async fn wait(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            sleep(OFTEN).await;
            self.look();
        }
    }

    // ---- what has been seen ------------------------------------------------------------------------------------

    pub(super) fn state(&self, side: Side) -> State {
        self.watch.seen().state(side)
    }

    /// Client's and server's.
    pub(super) fn states(&self) -> [State; 2] {
        [CLIENT, SERVER].map(|side| self.state(side))
    }

    /// Whether an end has gone through these states, in this order, with no other in between.
    pub(super) fn went(&self, side: Side, path: &[State]) -> bool {
        let all: Vec<State> = self.watch.seen().states(side).map(|(_, to)| to).collect();
        all.windows(path.len()).any(|part| part == path)
    }

    /// How many segments of an end have all of these flags.
    pub(super) fn count(&self, from: Side, flags: Flags) -> usize {
        self.watch.seen().segments().filter(|(_, segment)| segment.from == from && segment.flags.has(flags)).count()
    }

    /// Receipts that somebody else has taken.
    pub(super) fn keep_receipts(&mut self, receipts: Vec<(Flow, Receipt)>) {
        self.receipts.extend(receipts);
    }

    /// Our receipt of the connection that is drawn: the first of it.
    pub(super) fn receipt(&mut self) -> Option<Receipt> {
        self.look();
        let flow = self.watch.seen().flow()?;
        self.receipts.iter().find(|(of, _)| *of == flow).map(|(_, receipt)| *receipt)
    }

    /// Whether an end knows that its connection has ended so: by our receipt, or by the error that the kernel's
    /// application was given.
    pub(super) fn knows(&mut self, side: Side, ending: &str) -> bool {
        if side == self.adieu {
            return self.receipt().is_some_and(|receipt| receipt.ending.name() == ending);
        }
        let kind = match ending {
            "reset-by-peer" => io::ErrorKind::ConnectionReset,
            "refused" => io::ErrorKind::ConnectionRefused,
            _ => io::ErrorKind::TimedOut,
        };
        self.told == Some(kind)
    }

    fn keep_error<T>(&mut self, side: Side, result: Option<io::Result<T>>) -> bool {
        if let (Some(Err(error)), true) = (&result, side == self.linux()) {
            self.told = Some(error.kind());
        }
        matches!(result, Some(Ok(_)))
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    /// Checks a goodbye that `first` has begun: both ends' states, and our receipt.
    pub(super) async fn check_goodbye(&mut self, first: Side) {
        let second = first.other();
        self.until(|stage| stage.state(second) == State::Closed && stage.state(first) >= State::TimeWait).await;
        let waits = self.went(first, &[State::FinWait2, State::TimeWait]);
        let done = self.went(second, &[State::CloseWait, State::LastAck, State::Closed]);
        let [first_name, second_name] = [first, second].map(|side| self.who(side));
        self.check(
            format!("{second_name}, which closed second, is done at once; {first_name}, which closed first, waits"),
            waits && done,
        );
        let name = if first == self.adieu { "graceful-local-first" } else { "graceful-peer-first" };
        let receipt = self.receipt();
        let graceful = receipt.is_some_and(|receipt| receipt.ending.name() == name && receipt.undelivered() == 0);
        self.check("our receipt says graceful, who closed first, and that every byte was acknowledged", graceful);
    }

    /// "the client" or "the server".
    pub(super) fn who(&self, side: Side) -> &'static str {
        if side == CLIENT { "the client" } else { "the server" }
    }

    /// Lets go of everything, and waits until nothing is left at our end; what the kernel keeps is its own.
    pub(super) async fn finish(mut self, place: &Place) -> Outcome {
        self.ends = [None, None];
        self.listener = None;
        let waited = self.state(self.adieu) == State::TimeWait;
        let patience = self.time_wait + SOON;
        let empty = self.until_within(patience, |stage| stage.net.held() == Leftover::default()).await;
        self.look();
        if waited {
            self.check_stay();
        }
        self.check("in the end adieu holds nothing: no connection, record, timer, byte or port", empty);
        let linux = self.linux();
        let socket = self.watch.seen().socket();
        if let Some(stays) = socket.and_then(|socket| socket.stays) {
            let state = self.state(linux);
            self.note(linux, format!("({state} for {} s more)", stays.as_secs()));
        }
        let receipt = self.receipt();
        let mut receipts = [None, None];
        receipts[self.adieu as usize] = receipt;
        let counted: Vec<String> =
            place.counters().iter().map(|(name, value)| format!("{name} {}", grouped(*value))).collect();
        let mut remarks = vec![format!("Linux has counted: {}.", counted.join(", "))];
        if !self.unusual.is_empty() {
            remarks.push(format!("So that it is short (default): {}.", self.unusual));
        }
        let others = self.others();
        let trace = self.watch.seen().take();
        Outcome { trace, receipts, others, remarks, checks: self.checks }
    }

    /// Checks how long we were in TIME-WAIT. A repeated FIN begins it anew, and on a busy machine a look comes late.
    fn check_stay(&mut self) {
        let wait = self.time_wait;
        let stay = self.watch.seen().stay(self.adieu, State::TimeWait);
        let range = wait * 4 / 5..wait * 2 + SOON;
        self.check(format!("TIME-WAIT lasted {}", human(wait)), stay.is_some_and(|stay| range.contains(&stay)));
    }

    /// Our receipts of further connections.
    fn others(&mut self) -> Vec<Pair> {
        let flow = self.watch.seen().flow();
        let first = self.receipts.iter().position(|(of, _)| Some(*of) == flow);
        let rest = self.receipts.iter().enumerate().filter(|(place, _)| Some(*place) != first);
        let pair = |(_, (flow, receipt)): (usize, &(Flow, Receipt))| {
            let mut receipts = [None, None];
            receipts[self.adieu as usize] = Some(*receipt);
            Pair { what: format!("{} <-> {}", flow.local(), flow.remote()), receipts }
        };
        rest.map(pair).collect()
    }
}

/// An error without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
