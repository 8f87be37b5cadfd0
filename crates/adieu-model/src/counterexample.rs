//! How something came to be wrong: the steps in words, and the picture.

use std::fmt;

use adieu_core::{Duration, Instant, State as Tcp};
use adieu_trace::{End, Event, Ladder, Numbers, SegmentSeen, Side, Trace, What};

use crate::action::{Action, Call};
use crate::scope::Scope;
use crate::state::{Fault, State, address, flow, read};

/// The steps that lead from the beginning to what does not hold.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What does not hold.
    pub fault: Fault,
    /// What was done, in words.
    pub steps: Vec<String>,
    /// The same as a trace; each step takes a millisecond.
    pub trace: Trace,
}

/// What to call both ends.
const NAMES: [&str; 2] = ["left", "right"];
const SIDES: [Side; 2] = [Side::Left, Side::Right];

/// A packet that has left: its place in the trace, until it has arrived.
struct Sent {
    event: usize,
    from: usize,
    bytes: Vec<u8>,
}

/// Tells a path step by step.
struct Teller {
    trace: Trace,
    numbers: Numbers,
    sent: Vec<Sent>,
    now: Instant,
}

impl Counterexample {
    /// The story of a path, if it ends where something does not hold.
    pub(crate) fn of(scope: &Scope, path: Vec<(State, Option<Action>)>) -> Option<Self> {
        let fault = path.last()?.0.fault.as_deref()?.clone();
        let listens = |side: usize| if scope.sides[side].listens { "listens" } else { "connects" };
        let ends =
            [0, 1].map(|side| End { name: format!("{} ({})", NAMES[side], listens(side)), address: address(side) });
        let (trace, numbers) = (Trace::new(ends), Numbers::default());
        let mut teller = Teller { trace, numbers, sent: Vec::new(), now: Instant::ZERO };
        teller.begin(&path.first()?.0);
        let steps = path.windows(2).filter_map(|pair| {
            let (before, action) = &pair[0];
            Some(teller.step(before, (*action)?, &pair[1].0))
        });
        let steps: Vec<String> = steps.collect();
        teller.finish();
        Some(Self { fault, steps, trace: teller.trace })
    }

    /// Steps and picture, in so many columns.
    pub fn page(&self, ladder: &Ladder) -> String {
        let width = self.steps.len().to_string().len();
        let numbered = self.steps.iter().enumerate().map(|(at, step)| format!("{:>width$}  {step}\n", at + 1));
        format!(
            "{}: {}\n\n{}\n{}",
            self.fault.id,
            self.fault.text,
            numbered.collect::<String>(),
            ladder.draw(&self.trace)
        )
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.page(&Ladder::default()))
    }
}

impl Teller {
    /// A search may begin with a connection.
    fn begin(&mut self, first: &State) {
        for (side, from) in SIDES.into_iter().enumerate() {
            if let Some(end) = first.sides[side].last() {
                self.numbers.begin(from, adieu_core::Seq(end.iss));
                self.note(What::State { side: from, from: Tcp::Closed, to: Tcp::Established });
            }
        }
    }

    fn step(&mut self, before: &State, action: Action, after: &State) -> String {
        self.now += Duration::from_millis(1);
        let text = match action {
            Action::Call(side, call) => {
                let text = words(call);
                self.note(What::App { side: SIDES[side], text: text.into() });
                format!("{} calls {text}", NAMES[side])
            }
            Action::Deliver(place) => self.arrival(before, place, "arrives"),
            Action::Copy(place) => {
                let text = self.arrival(before, place, "arrives, and a copy stays under way");
                let parcel = &before.wire[place];
                self.leaves(parcel.from, &parcel.bytes);
                text
            }
            Action::Forge(place) => self.arrival(before, place, "arrives with FIN set by the wire"),
            Action::Lose(place) => {
                let parcel = &before.wire[place];
                let lost = self.take(parcel.from, &parcel.bytes);
                format!("the wire loses {}", self.name(lost))
            }
            Action::Fire(side) => {
                let pause = after.sides[side].now.since(before.sides[side].now);
                self.note(What::App { side: SIDES[side], text: format!("timer, {pause:?} later") });
                format!("a timer fires at {} after {pause:?}", NAMES[side])
            }
            Action::Wait(side) => {
                self.note(What::App { side: SIDES[side], text: "a second passes".into() });
                format!("a second passes at {}", NAMES[side])
            }
            Action::Die => {
                self.sent.clear();
                "the wire dies".to_owned()
            }
        };
        for (at, side) in SIDES.into_iter().enumerate() {
            let [from, to] = [before, after].map(|state| state.sides[at].stack.flow_state(&flow(at)));
            if from != to {
                self.note(What::State { side, from, to });
            }
        }
        let mut left = self.missing(after);
        for (from, bytes) in left.drain(..) {
            self.leaves(from, &bytes);
        }
        text
    }

    /// What is in flight in `state` and has not been seen to leave.
    fn missing(&self, state: &State) -> Vec<(usize, Vec<u8>)> {
        let mut known: Vec<&Sent> = self.sent.iter().collect();
        let new = state.wire.iter().filter(|parcel| {
            let place = known.iter().position(|sent| sent.from == parcel.from && sent.bytes == parcel.bytes);
            place.map(|place| known.remove(place)).is_none()
        });
        new.map(|parcel| (parcel.from, parcel.bytes.clone())).collect()
    }

    fn leaves(&mut self, from: usize, bytes: &[u8]) {
        let Some(segment) = read(bytes) else { return };
        let seen = self.numbers.see(SIDES[from], &segment, None);
        self.sent.push(Sent { event: self.trace.events.len(), from, bytes: bytes.to_vec() });
        self.note(What::Segment(seen));
    }

    fn arrival(&mut self, before: &State, place: usize, how: &str) -> String {
        let parcel = &before.wire[place];
        let event = self.take(parcel.from, &parcel.bytes);
        if let Some(What::Segment(seen)) = event.map(|event| &mut self.trace.events[event].what) {
            seen.arrives = Some(self.now);
        }
        format!("{} {how} at {}", self.name(event), NAMES[1 - parcel.from])
    }

    /// The packet that is meant, the first to have left of those that are equal.
    fn take(&mut self, from: usize, bytes: &[u8]) -> Option<usize> {
        let place = self.sent.iter().position(|sent| sent.from == from && sent.bytes == bytes)?;
        Some(self.sent.remove(place).event)
    }

    fn name(&self, event: Option<usize>) -> String {
        match event.map(|event| &self.trace.events[event].what) {
            Some(What::Segment(seen)) => segment(seen),
            _ => "a segment".to_owned(),
        }
    }

    fn note(&mut self, what: What) {
        self.trace.events.push(Event { at: self.now, what });
    }

    /// What is still under way arrives after the end.
    fn finish(&mut self) {
        for sent in &self.sent {
            if let What::Segment(seen) = &mut self.trace.events[sent.event].what {
                seen.arrives = Some(self.now + Duration::from_millis(1));
            }
        }
    }
}

fn segment(seen: &SegmentSeen) -> String {
    let ack = seen.ack.map_or(String::new(), |ack| format!(" ack={ack}"));
    let len = if seen.len == 0 { String::new() } else { format!(" len={}", seen.len) };
    format!("{} seq={}{ack}{len}", seen.flags, seen.seq)
}

fn words(call: Call) -> &'static str {
    match call {
        Call::Connect => "connect",
        Call::Accept => "accept",
        Call::Relisten => "unlisten, listen",
        Call::Write(_) => "write 1 byte",
        Call::Read(_) => "read",
        Call::ShutDown(_) => "shutdown",
        Call::Close(_) => "close",
        Call::Abort(_) => "abort",
        Call::Drop(_) => "drop",
    }
}
