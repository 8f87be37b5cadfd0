//! Buffers that follow the path: how far they grow, when they do not, and what never goes back.

mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Events, WriteError};
use script::{Script, bytes, config, ms, secs, seg, stamps};

/// Payload of a full segment with timestamps.
const FULL: usize = 1448;

/// Sizes chosen so that growth shows early: 16 KiB at first, 1 MiB at most.
fn growing() -> Config {
    Config {
        receive_buffer_limits: (16 << 10, 1 << 20),
        send_buffer_limits: (16 << 10, 1 << 20),
        ack_delay: ms(0),
        ..config()
    }
}

/// A peer that sends whole rounds, 100 ms long each, and echoes what it heard last.
struct Sender {
    s: Script,
    at: i32,
    echo: u32,
    /// The right edge that was announced last, and whether it ever went back.
    edge: i64,
    stamps: bool,
}

impl Sender {
    fn new(config: Config) -> Self {
        let mut s = Script::established_with_extensions(config, 1);
        s.advance(ms(100));
        Self { s, at: 1, echo: 0, edge: 0, stamps: true }
    }

    fn without_stamps(config: Config) -> Self {
        let mut s = Script::with(Config { timestamps: false, ..config }, 7_000_000, script::START);
        s.listen();
        s.send(seg().syn().options(&[2, 4, 0x05, 0xb4, 3, 3, 7, 1]));
        s.learn_iss();
        s.advance(ms(100));
        s.send(seg().seq(1).ack(1));
        assert!(s.accept());
        s.advance(ms(100));
        Self { s, at: 1, echo: 0, edge: 0, stamps: false }
    }

    /// Up to `segments` of them, as far as the window goes, in a round trip; all is read at once where `reading`. How
    /// many there was a window for.
    fn round(&mut self, segments: usize, reading: bool) -> usize {
        let echo = self.echo;
        let mut sent = 0;
        for n in 0..segments {
            let data = bytes(FULL);
            if n > 0 && i64::from(self.at) + i64::try_from(FULL).unwrap() > self.edge {
                break;
            }
            let options = if self.stamps { stamps(2, echo) } else { Vec::new() };
            self.s.send(seg().seq(self.at).ack(1).data(&data).options(&options));
            self.at += i32::try_from(FULL).unwrap();
            sent += 1;
            if reading {
                assert_eq!(self.s.read_all().0, data);
            }
            self.hear();
        }
        self.s.advance(ms(101));
        self.hear();
        sent
    }

    fn hear(&mut self) {
        for seen in self.s.take() {
            let edge = i64::from(seen.ack.unwrap()) + (i64::from(seen.window) << self.shift());
            // Less than a unit of the field is rounding (RFC 7323 section 2.4).
            assert!(edge + (1 << self.shift()) > self.edge, "INV-10: {} to {edge}", self.edge);
            self.edge = self.edge.max(edge);
            self.echo = seen.options.timestamps.map_or(0, |theirs| theirs.value);
        }
    }

    fn shift(&self) -> u8 {
        self.s.info().window_shifts.expect("both want it").1
    }

    fn window(&self) -> u32 {
        self.s.info().recv_window
    }
}

/// X-WS: the shift is for the most that the buffer may become, the SYN-ACK's window for what it begins with.
#[test]
fn x_ws_the_scale_is_chosen_for_the_most() {
    for (limits, shift, window) in
        [((256 << 10, 6 << 20), 7, 65_535), ((4096, 65_535), 0, 4096), ((1000, 64 << 20), 11, 1000)]
    {
        let mut s = Script::with(Config { receive_buffer_limits: limits, ..config() }, 7_000_000, script::START);
        s.connect();
        let syn = s.take_one();
        assert!(syn.flags.has(Flags::SYN));
        assert_eq!((syn.options.window_shift, syn.window), (Some(shift), window));
    }
    let mut s = Script::with(Config { receive_buffer: 1 << 20, ..config() }, 7_000_000, script::START);
    s.connect();
    assert_eq!(s.take_one().options.window_shift, Some(5), "a fixed one is the most");
}

/// INV-10: the window opens ahead of a sender that doubles what it sends, up to the most; the edge never goes back.
#[test]
fn inv_10_the_window_stays_ahead_of_slow_start() {
    for mut sender in [Sender::new(growing()), Sender::without_stamps(growing())] {
        let mut segments = 10;
        for _ in 0..10 {
            let sent = sender.round(segments, true);
            assert!(sent >= segments.min((1 << 20) / FULL - 2), "{sent} of {segments}");
            segments *= 2;
        }
        let most = sender.window();
        assert!(((1 << 20) - 2 * 1448..=1 << 20).contains(&most), "{most}");
    }
}

/// A sender that sends no more than it did gets no larger window: at most four times what a round trip brings.
#[test]
fn inv_10_a_steady_sender_needs_no_more() {
    let mut sender = Sender::new(growing());
    for _ in 0..50 {
        sender.round(20, true);
    }
    let window = sender.window() as usize;
    assert!((2 * 20 * FULL..=4 * 21 * FULL).contains(&window), "{window}");
}

/// Only what is read counts: nobody's buffer grows by what lies unread.
#[test]
fn inv_10_nothing_grows_that_is_not_read() {
    let mut sender = Sender::new(growing());
    for _ in 0..20 {
        sender.round(10, false);
    }
    let unread = sender.s.stack.unread(sender.s.id());
    assert!(unread <= (16 << 10) + u64::try_from(FULL).unwrap(), "{unread}");
}

/// A buffer with a size of its own keeps it, and so does one whose limits are one.
#[test]
fn inv_10_a_fixed_buffer_stays() {
    let fixed = Config { receive_buffer: 20_000, ..growing() };
    let narrow = Config { receive_buffer_limits: (20_000, 20_000), ..growing() };
    for config in [fixed, narrow] {
        let mut sender = Sender::new(config);
        for _ in 0..10 {
            sender.round(13, true);
            assert!(sender.window() <= 20_000, "{}", sender.window());
        }
    }
}

/// While the stack's memory is scarce no buffer grows, and one that has goes back to the first: by what is read, never
/// by an edge that goes back.
#[test]
fn inv_10_scarce_memory_takes_the_window_back_by_reading() {
    let mut sender = Sender::new(growing());
    for _ in 0..6 {
        sender.round(200, true);
    }
    assert!(sender.window() > 400_000, "{}", sender.window());
    let handle = sender.s.id();
    // What another direction holds is memory, too.
    sender.s.write(&bytes(16 << 10));
    sender.s.take();
    sender.s.stack.reconfigure(|config| config.memory = 20_000);
    for _ in 0..200 {
        let before = sender.window();
        sender.round(10, true);
        assert!(sender.window() as usize <= before as usize + 2 * FULL, "nothing grows");
    }
    assert!(sender.window() <= (16 << 10) + 128, "{}", sender.window());
    assert_eq!(sender.s.stack.unread(handle), 0);
}

/// The send buffer takes twice the congestion window, at least the least and at most the most; who waits for room hears
/// when it grows.
#[test]
fn rl_1_the_send_buffer_follows_the_congestion_window() {
    let mut s = Script::established_with_extensions(growing(), 1);
    s.send(seg().seq(1).ack(1).win(0xffff).options(&stamps(2, 0)));
    let room = |s: &Script| s.stack.room(s.id());
    let window = |s: &Script| s.info().congestion_window as usize;
    assert_eq!(room(&s), 2 * window(&s), "ten segments at first");
    let mut acknowledged = 0;
    for _ in 0..8 {
        let data = bytes(room(&s));
        s.write(&data);
        assert_eq!(s.try_write(), Err(WriteError::Blocked));
        s.events();
        let sent: usize = s.take().iter().map(|seen| seen.data.len()).sum();
        s.advance(ms(50));
        s.take();
        acknowledged += sent;
        s.send(seg().seq(1).ack(1 + i32::try_from(acknowledged).unwrap()).win(0xffff).options(&stamps(3, 0)));
        assert!(s.events().has(Events::WRITABLE));
        assert!(room(&s) > 0);
        let waiting: usize = s.take().iter().map(|seen| seen.data.len()).sum();
        s.advance(ms(50));
        acknowledged += waiting;
        s.send(seg().seq(1).ack(1 + i32::try_from(acknowledged).unwrap()).win(0xffff).options(&stamps(3, 0)));
        s.take();
    }
    assert_eq!(2 * window(&s).min(1 << 19), s.stack.unacknowledged(s.id()) as usize + room(&s));
    assert!(window(&s) > 100 * FULL, "{}", window(&s));
    s.stack.reconfigure(|config| config.send_buffer_limits.1 = 50_000);
    assert!(room(&s) <= 50_000);
    s.stack.reconfigure(|config| config.send_buffer = 100_000);
    let held = s.stack.unacknowledged(s.id()) as usize;
    assert_eq!(room(&s), 100_000_usize.saturating_sub(held));
}

/// UD-4, OR-5: nobody's window grows for one who has closed: what comes is refused as ever.
#[test]
fn or_5_who_has_closed_gets_no_larger_window() {
    let mut sender = Sender::new(growing());
    sender.round(10, true);
    let handle = sender.s.id();
    let budget = adieu_core::DrainBudget { bytes: 10 << 20, ..Default::default() };
    sender.s.stack.close_drain(sender.s.now, handle, budget);
    sender.s.take();
    for _ in 0..5 {
        sender.s.advance(secs(1));
        sender.s.take();
        sender.s.send(seg().seq(sender.at).ack(1).data(&bytes(FULL)).options(&stamps(2, sender.echo)));
        sender.at += i32::try_from(FULL).unwrap();
        assert!(sender.window() <= (16 << 10) + 128, "{}", sender.window());
    }
}
