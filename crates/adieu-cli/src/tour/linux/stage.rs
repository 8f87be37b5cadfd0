//! What scenarios are played with: a client and a server, of which one is adieu and one the kernel's TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use adieu::device::{Impaired, Injector, Tun, TunConfig, neighbour};
use adieu::{Config, Flow, Net, Receipt, State};
use adieu_core::wire::Flags;
use adieu_sim::{Rule, Verdict};
use adieu_trace::Side::{self, Left, Right};
use adieu_trace::Trace;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep, timeout};

use super::ends::End;
use super::place::Place;
use super::setup::{Setup, Unusual};
use super::watch::Watch;
use crate::diag::Diag;
use crate::failure::Failure;
use crate::tour::Check;

/// The left end is the client, the right end the server.
pub(super) const CLIENT: Side = Left;
pub(super) const SERVER: Side = Right;
/// Where the server listens.
pub(super) const PORT: u16 = 80;
/// Longer than anything takes that is not meant to take longer.
pub(super) const SOON: Duration = Duration::from_secs(15);
/// How often it is looked whether something has happened.
const OFTEN: Duration = Duration::from_millis(1);
/// Until it is released: no time decides what a scenario shows.
pub(super) const HELD: Verdict = Verdict::Hold(Duration::from_secs(3600));
/// Long enough for what is on the way to arrive, so that the ladder shows one thing at a time.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Stage {
    pub(super) adieu: Side,
    pub(super) net: Net,
    pub(super) watch: Watch,
    pub(super) injector: Injector,
    pub(super) addresses: [IpAddr; 2],
    pub(super) ends: [Option<End>; 2],
    pub(super) listener: Option<Listener>,
    /// The kernel's receive buffer, in bytes.
    pub(super) receive_buffer: Option<u32>,
    pub(super) time_wait: Duration,
    /// Of adieu, in the order of their endings.
    pub(super) receipts: Vec<(Flow, Receipt)>,
    /// What the kernel's application was told when a call failed.
    pub(super) told: Option<io::ErrorKind>,
    /// What differs from the defaults, in words.
    pub(super) unusual: String,
    pub(super) checks: Vec<Check>,
}

pub(super) enum Listener {
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
        let release = async {
            while [CLIENT, SERVER].iter().any(|side| self.count(*side, Flags::SYN) == 0) {
                sleep(OFTEN).await;
            }
            self.watch.seen().no_more_rules();
            self.injector.release();
            Ok(())
        };
        let [client, server] = [CLIENT, SERVER].map(|side| (side, ports[side as usize], ports[side.other() as usize]));
        let connect = |(side, from, to)| self.connect(side, from, to);
        let both = async {
            let (client, server, ()) = tokio::try_join!(connect(client), connect(server), release)?;
            Ok::<_, io::Error>((client, server))
        };
        let met = self.watched(both).await;
        let Some(Ok((client, server))) = met else { return false };
        self.ends = [Some(client), Some(server)];
        true
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

    pub(super) fn keep_error<T>(&mut self, side: Side, result: Option<io::Result<T>>) -> bool {
        if let (Some(Err(error)), true) = (&result, side == self.linux()) {
            self.told = Some(error.kind());
        }
        matches!(result, Some(Ok(_)))
    }
}

/// An error without its number.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
