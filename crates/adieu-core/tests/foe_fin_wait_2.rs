//! OR-4: a record in FIN-WAIT-2 behaves as the whole connection would. The same segments go to a stack whose handle was
//! released (a record) and to one whose handle was closed and kept (a connection), and everything that can be seen is
//! compared.
//!
//! Intended differences: the record has one budget of a reply in 500 ms for everything that deserves a challenge, where
//! a connection has 10 in 5 s (3.39); so segments that may draw one are 5 s apart here. Rapid fire is compared by state
//! and ending, and by the record saying no more than the connection. And a record does not remember a FIN that came
//! before its turn, so it has nothing that a second one could contradict (FR-4): none is sent here.

mod foe;
mod script;

use adieu_core::wire::Flags;
use adieu_core::{Config, Ending, State};
use foe::{FAMILIES, Family, Random, secrets, seq};
use script::{MSS, START, Script, Seen, Seg, bytes, config, ms, secs, seg, stamps};

/// How the pair began.
#[derive(Clone, Copy, Debug)]
struct Start {
    family: Family,
    stamped: bool,
    scaled: bool,
    active: bool,
    /// Bytes of each stream before the close.
    sent: usize,
    received: usize,
    iss: u32,
    irs: u32,
}

const CLOCK: u32 = 5000;

fn start(random: &mut Random) -> Start {
    let edge = |random: &mut Random| match random.below(4) {
        0 => u32::MAX - random.below(8),
        1 => 0x8000_0000 - random.below(8),
        _ => random.next(),
    };
    Start {
        family: FAMILIES[random.below(2) as usize],
        stamped: random.one_in(2),
        scaled: random.one_in(2),
        active: random.one_in(2),
        sent: random.below(6) as usize,
        received: random.below(6) as usize,
        iss: edge(random),
        irs: edge(random),
    }
}

impl Start {
    fn tag(&self, clock: u32, segment: Seg) -> Seg {
        if self.stamped { segment.options(&stamps(clock, 0)) } else { segment }
    }

    fn snd(&self) -> i32 {
        i32::try_from(self.sent).unwrap() + 2
    }

    fn rcv(&self) -> i32 {
        i32::try_from(self.received).unwrap() + 1
    }

    /// One in FIN-WAIT-2 that nobody reads any more: a record, or a connection.
    fn script(&self, record: bool) -> Script {
        let mut s = Script::over(self.family, config());
        s.replace_stack(config(), secrets(9).with_initial_seq(seq(self.iss)));
        s.irs = seq(self.irs);
        let mut options = vec![2, 4, 0x05, 0xb4];
        if self.scaled {
            options.extend([1, 3, 3, 7]);
        }
        if self.stamped {
            options.extend(stamps(CLOCK, 0));
        }
        if self.active {
            let handle = s.stack.connect(s.now, Some(s.flow.local()), s.flow.remote()).unwrap();
            s.handle = Some(handle);
            s.poll();
            s.learn_iss();
            s.send(seg().syn().ack(1).options(&options));
            assert_eq!(s.take().len(), 1);
        } else {
            s.listen_here();
            s.send(seg().syn().options(&options));
            s.learn_iss();
            s.send(self.tag(CLOCK, seg().seq(1).ack(1)));
            assert!(s.accept());
            s.unlisten();
        }
        if self.received > 0 {
            s.send(self.tag(CLOCK, seg().seq(1).ack(1).data(&bytes(self.received))));
            assert_eq!(s.read_all().0.len(), self.received);
            s.advance(ms(100));
        }
        if self.sent > 0 {
            s.write(&bytes(self.sent));
        }
        if record {
            s.release();
        } else {
            s.close();
        }
        s.send(self.tag(CLOCK, seg().seq(self.rcv()).ack(self.snd())));
        s.take();
        assert_eq!(s.flow_state(), State::FinWait2, "{self:?}");
        assert_eq!(s.stack.leftover().abandoned, usize::from(record), "{self:?}");
        s
    }

    /// Something a peer, a network or an enemy might send.
    fn shot(&self, random: &mut Random) -> Seg {
        loop {
            let (shot, seq, fin, data) = self.any_shot(random);
            if !(fin && !data && (1..10_000_000).contains(&seq.wrapping_sub(self.rcv()))) {
                return shot;
            }
        }
    }

    fn any_shot(&self, random: &mut Random) -> (Seg, i32, bool, bool) {
        let near = |random: &mut Random, middle: i32| match random.below(12) {
            0 => middle - 1,
            1 => middle + 1,
            2 => middle + i32::try_from(random.below(9)).unwrap() - 4,
            3 => middle + 65_535 - 3 + i32::try_from(random.below(6)).unwrap(),
            4 => middle - 65_535 - 3 + i32::try_from(random.below(6)).unwrap(),
            5 => i32::from_ne_bytes(random.next().to_ne_bytes()),
            _ => middle,
        };
        let seq = near(random, self.rcv());
        let mut shot = seg().seq(seq);
        let mut fin = false;
        if !random.one_in(12) {
            shot = shot.ack(near(random, self.snd()));
        }
        for (flag, odds) in [(Flags::FIN, 4), (Flags::RST, 9), (Flags::SYN, 12), (Flags::PSH, 5), (Flags::URG, 20)] {
            if random.one_in(odds) {
                shot = shot.flag(flag);
                fin |= flag == Flags::FIN;
            }
        }
        let data = random.one_in(3);
        if data {
            shot = shot.data(&bytes(1 + random.below(4) as usize));
        }
        if random.one_in(4) {
            shot = shot.win([0, 1, 500][random.below(3) as usize]);
        }
        let clock = match random.below(8) {
            0 => CLOCK - 1,
            1 => CLOCK + 1 + random.below(1000),
            2 => random.next(),
            _ => CLOCK,
        };
        let wrong = random.one_in(15);
        let shot = if self.stamped != wrong { shot.options(&stamps(clock, 0)) } else { shot };
        (shot, seq, fin, data)
    }
}

/// What can be seen of a segment, packet numbers apart.
fn seen(all: &[Seen]) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    // The FIN takes one number, and a record does not count it in its window.
    let window = |seen: &Seen| (u32::from(seen.window) + 50) / 100;
    let one = |seen: &Seen| (seen.seq, seen.ack, seen.flags, window(seen), seen.data.clone(), seen.options);
    all.iter().map(one).collect()
}

fn ending(s: &mut Script) -> Option<Ending> {
    s.receipts().first().map(|receipt| receipt.ending)
}

/// The same calm shots at both.
fn compare(seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let start = start(&mut random);
    let (mut record, mut whole) = (start.script(true), start.script(false));
    let mut story = vec![format!("seed {seed}: {start:?}")];
    for _ in 0..8 {
        let pause = if random.one_in(6) { secs(u64::from(5 + random.below(30))) } else { ms(5001) };
        let shot = start.shot(&mut random);
        story.push(format!("after {pause:?} {shot:?}"));
        for s in [&mut record, &mut whole] {
            s.advance(pause);
            s.send(shot.clone());
        }
        let (of_record, of_whole) = (record.take(), whole.take());
        assert_eq!(seen(&of_record), seen(&of_whole), "record | whole: replies\n{story:#?}");
        assert_eq!(record.flow_state(), whole.flow_state(), "record | whole: state\n{story:#?}");
        assert_eq!(ending(&mut record), ending(&mut whole), "record | whole: ending\n{story:#?}");
        assert_eq!(record.stack.leftover().quarantined, whole.stack.leftover().quarantined, "{story:#?}");
    }
    for s in [record, whole] {
        s.finish_all();
    }
}

#[test]
fn or_4_a_record_is_the_connection_it_was() {
    for seed in 1..6000 {
        compare(seed);
    }
}

/// Rapid fire: state and ending are the same; the record answers no more.
fn compare_fast(seed: u64) {
    let mut random = Random(seed * 2 + 1);
    let start = start(&mut random);
    let (mut record, mut whole) = (start.script(true), start.script(false));
    let mut story = vec![format!("seed {seed}: {start:?}")];
    let mut sent = [0, 0];
    for _ in 0..40 {
        let pause = ms(u64::from(random.below(60)));
        let shot = start.shot(&mut random);
        story.push(format!("after {pause:?} {shot:?}"));
        for (s, sent) in [&mut record, &mut whole].into_iter().zip(&mut sent) {
            s.advance(pause);
            s.send(shot.clone());
            *sent += s.take().len();
        }
        assert_eq!(record.flow_state(), whole.flow_state(), "record | whole: state\n{story:#?}");
        assert_eq!(ending(&mut record), ending(&mut whole), "record | whole: ending\n{story:#?}");
    }
    // The record has one budget for challenges and bare segments outside the window.
    assert!(sent[0] <= sent[1] + 10, "{sent:?} {story:#?}");
}

#[test]
fn or_4_rapid_fire_ends_both_alike() {
    for seed in 1..2000 {
        compare_fast(seed);
    }
}

/// The receipts are the same where both tell: the whole connection's is the measure.
#[test]
fn or_4_receipts_agree() {
    for seed in 1..400 {
        let mut random = Random(seed * 2 + 1);
        let start = start(&mut random);
        let how = seed % 4;
        let [of_record, of_whole] = [true, false].map(|record| {
            let mut s = start.script(record);
            s.advance(secs(3));
            match how {
                0 => s.send(start.tag(CLOCK, seg().seq(start.rcv()).ack(start.snd()).fin())),
                1 => s.send(seg().seq(start.rcv()).rst()),
                2 => s.send(start.tag(CLOCK, seg().seq(start.rcv()).ack(start.snd()).data(b"new"))),
                _ => s.advance(secs(100)),
            }
            let receipt = s.only_receipt();
            assert_eq!(s.stats().ended, 1);
            s.take();
            s.finish_all();
            receipt
        });
        assert_eq!(of_record.ending, of_whole.ending, "{start:?}");
        assert_eq!(
            (of_record.sent, of_record.acknowledged, of_record.received, of_record.unread, of_record.unsent),
            (of_whole.sent, of_whole.acknowledged, of_whole.received, of_whole.unread, of_whole.unsent)
        );
        assert_eq!(
            (of_record.fin_acknowledged, of_record.fin_received, of_record.read_closed, of_record.reset_sent),
            (of_whole.fin_acknowledged, of_whole.fin_received, of_whole.read_closed, of_whole.reset_sent),
            "{start:?} {how}"
        );
        assert_eq!(of_record.retransmissions, of_whole.retransmissions);
        assert_eq!((of_record.closed_first, of_record.is_passive()), (of_whole.closed_first, of_whole.is_passive()));
        let states = |receipt: &adieu_core::Receipt| receipt.spent.iter().map(|(state, _)| state).collect::<Vec<_>>();
        assert_eq!(states(&of_record), states(&of_whole));
        for (a, b) in of_record.spent.iter().zip(of_whole.spent.iter()) {
            assert!(a.1.abs_diff(b.1) <= ms(2), "{:?} {:?}", of_record.spent, of_whole.spent);
        }
    }
}

/// What was thrown away while the window was wide: an ACK far behind is still an old one.
#[test]
fn or_4_old_acks_of_a_long_stream() {
    for family in FAMILIES {
        let pair = [true, false].map(|record| {
            let mut s = Script::over(family, Config { initial_window: 200, ..config() });
            s.listen_here();
            s.open_passive(None);
            let mut acked = 1;
            s.write(&bytes(100 * MSS));
            while acked < 1 + 100 * i32::try_from(MSS).unwrap() {
                let end = |seen: &Seen| seen.seq + i32::try_from(seen.data.len()).unwrap();
                acked = s.take().iter().map(end).max().expect("more");
                s.send(seg().seq(1).ack(acked));
            }
            s.shut_down();
            s.send(seg().seq(1).ack(acked + 1));
            s.take();
            if record {
                s.release();
            } else {
                s.close();
            }
            s.take();
            assert_eq!(s.flow_state(), State::FinWait2);
            let mut replies = Vec::new();
            for behind in [0, 1, 65_534, 65_535, 65_536, 65_537, 65_538, 100_000, 146_000, 146_001, 146_002, 146_003] {
                s.advance(secs(5));
                s.send(seg().seq(1).ack(acked + 1 - behind));
                replies.push((behind, s.take().len()));
            }
            replies
        });
        assert_eq!(pair[0], pair[1]);
    }
    assert!(START > adieu_core::Instant::ZERO);
}
