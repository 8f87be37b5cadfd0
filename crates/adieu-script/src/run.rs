//! What a script means: its calls are made, its packets come in, and what leaves is held against what it expects.

mod calls;
mod code;
mod compare;
mod failure;
mod flows;
mod host;
mod icmp;
mod machine;
mod parameters;
mod record;
mod settings;
mod shell;
mod sockets;
mod stamps;
mod values;
mod wire;

use std::time::Duration;

use adieu_trace::Trace;

use crate::ast::{Body, Event, Packet, Script, Span, Time, What};
use calls::Answer;
use compare::Rules;
use flows::Flows;
use machine::Machine;
use sockets::{Scene, Sockets};
use stamps::Tick;

pub use failure::{Failure, Kind};
pub use host::{Field, Host, Id, Outcome, Pace, Sent, System, Target};
pub use record::Record;
pub use settings::{Family, Isn, Policy, Settings};
pub use values::error_name;

/// What a script that holds leaves behind.
#[derive(Clone, Debug)]
pub struct Report {
    /// What happened, on the first connection.
    pub trace: Trace,
    /// What was ignored, and why.
    pub notes: Vec<String>,
}

/// A script may last this long on its own clock: ten years.
const LONGEST: Duration = Duration::from_secs(315_576_000);
/// Timers that may fire, and packets that may leave, in one script.
const STEPS: usize = 100_000;
/// How long packets may still leave after the last event of a strict run.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// Runs a script on our stack, in virtual time.
///
/// # Errors
/// Where it does not hold, or says what cannot be run: with its place.
pub fn run(script: &Script, settings: &Settings) -> Result<Report, Box<Failure>> {
    run_on(script, settings, |settings| Ok(Box::new(Machine::new(settings))))
}

/// Runs a script on what `make` makes, by the settings as the script has changed them.
///
/// # Errors
/// As [`run`]; and, at the beginning of the script, the sentence that `make` has instead.
pub fn run_on(
    script: &Script,
    settings: &Settings,
    make: impl FnOnce(&Settings) -> Result<Box<dyn Target>, String>,
) -> Result<Report, Box<Failure>> {
    let mut runner = Runner::new(script, settings, make)?;
    let done = runner.play(script);
    let trace = runner.scene.host.take_trace();
    match done {
        Ok(()) => Ok(Report { trace, notes: runner.scene.notes }),
        Err(failure) => Err(Box::new(Failure { trace: Some(trace), ..*failure })),
    }
}

/// How long a script lasts at least, by its own times; what waits for a packet or a call may last longer.
pub fn lasts(script: &Script) -> Duration {
    let after = |before: Duration, time: Time| match time {
        Time::At(at) | Time::Between(at, _) => at,
        Time::After(by) | Time::AfterBetween(by, _) => before.saturating_add(by),
        Time::Any => before,
    };
    let (mut now, mut last) = (Duration::ZERO, Duration::ZERO);
    for event in &script.events {
        let began = after(now, event.time);
        let ended = end(event).map_or(began, |ends| after(now, ends));
        (now, last) = (began, last.max(began).max(ended));
    }
    last
}

type Step<T> = Result<T, Box<Failure>>;

/// A script under way.
struct Runner<'a> {
    settings: Settings,
    scene: Scene,
    /// When the event before took place, as the script counts.
    before: Duration,
    /// The event that is played.
    place: Span,
    /// Timers that have fired, or times that something may have happened.
    steps: usize,
    /// Calls that have not returned yet.
    blocked: Vec<Blocked<'a>>,
}

/// A call that blocks.
struct Blocked<'a> {
    event: &'a Event,
    call: &'a crate::ast::Call,
    progress: calls::Progress,
    /// When it must return.
    due: Window,
}

/// From when to when something may happen.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Duration,
    to: Duration,
}

impl<'a> Runner<'a> {
    fn new(
        script: &Script,
        settings: &Settings,
        make: impl FnOnce(&Settings) -> Result<Box<dyn Target>, String>,
    ) -> Step<Self> {
        let mut settings = settings.clone();
        let mut notes = Vec::new();
        parameters::apply_options(&script.options, &mut settings, &mut notes)?;
        if !script.timers_none {
            settings.time_scale = 1.0;
        }
        let host = make(&settings).map_err(|sentence| Failure::new(Kind::Host, Span::default(), sentence))?;
        settings.tolerance = settings.tolerance.max(host.pace().tolerance);
        let flows = Flows::new(&settings, host.addresses(), host.initial_number());
        let scene = Scene { host, flows, sockets: Sockets::default(), notes };
        Ok(Self { settings, scene, before: Duration::ZERO, place: Span::default(), steps: 0, blocked: Vec::new() })
    }

    fn play(&mut self, script: &'a Script) -> Step<()> {
        for event in &script.events {
            self.place = event.span;
            self.play_event(event)?;
            if let Some(sentence) = self.scene.host.trouble() {
                return Err(Failure::new(Kind::Host, event.span, sentence));
            }
        }
        self.finish(script)
    }

    fn play_event(&mut self, event: &'a Event) -> Step<()> {
        let window = self.window(event.time);
        let ends = end(event).map_or(window, |ends| self.window(ends));
        if window.to.max(ends.to) > LONGEST {
            return Err(Failure::meaning(event.span, "a script may last ten years, and no longer"));
        }
        let started = match &event.what {
            What::Expect(packet) => {
                let at = self.expect(event, packet, window)?;
                self.before = if is_fixed(event.time) { window.from } else { at };
                return Ok(());
            }
            What::Inject(packet) => {
                self.pass_until(window.from)?;
                self.inject(packet)?;
                window.from
            }
            What::Call(call) => {
                self.pass_until(window.from)?;
                self.before = window.from;
                self.start_call(event, call)?;
                window.from
            }
            What::Code(code) => {
                self.pass_until(window.from)?;
                self.scene.host.settle();
                code::check(code, &self.scene)?;
                window.from
            }
            What::Shell(command) => {
                self.pass_until(window.from)?;
                self.scene.host.settle();
                shell::run(command, &mut self.scene, &self.settings)?;
                window.from
            }
        };
        self.before = started;
        Ok(())
    }

    /// When something at `time` may happen, on the machine's clock, without tolerance.
    fn window(&self, time: Time) -> Window {
        let scale = |time: Duration| time.mul_f64(self.settings.time_scale);
        let (from, to) = match time {
            Time::At(at) => (scale(at), scale(at)),
            Time::After(by) => (self.before + scale(by), self.before + scale(by)),
            Time::Any => (Duration::ZERO, self.scene.host.now() + self.settings.patience),
            Time::Between(from, to) => (scale(from), scale(to)),
            Time::AfterBetween(from, to) => (self.before + scale(from), self.before + scale(to)),
        };
        Window { from, to }
    }

    // ---- time --------------------------------------------------------------------------------------------------

    /// Lets time pass up to `at`; calls that block may return meanwhile.
    fn pass_until(&mut self, at: Duration) -> Step<()> {
        self.scene.host.settle();
        self.try_blocked()?;
        while self.step(at)? {
            self.try_blocked()?;
        }
        self.scene.host.run_to(at);
        self.try_blocked()
    }

    /// On to what may happen next, unless there was too much of it; false where nothing does up to `limit`.
    fn step(&mut self, limit: Duration) -> Step<bool> {
        let stepped = match self.wake().filter(|wake| *wake <= limit) {
            None => self.scene.host.step(limit),
            Some(wake) => {
                if !self.scene.host.step(wake) {
                    self.scene.host.run_to(wake);
                }
                true
            }
        };
        self.steps += usize::from(stepped);
        if self.steps.max(self.scene.host.packets()) > STEPS {
            let limit = format!("more than {STEPS} timers or packets: the script waits for what never comes");
            return Err(Failure::meaning(self.place, limit));
        }
        Ok(stepped)
    }

    /// When the next call that blocks returns by its own clock.
    fn wake(&self) -> Option<Duration> {
        let now = self.scene.host.now();
        self.blocked.iter().filter_map(|blocked| blocked.progress.wake).filter(|wake| *wake > now).min()
    }

    /// Waits for the next packet, up to `limit`.
    fn next_packet(&mut self, limit: Duration) -> Step<Option<Sent>> {
        loop {
            self.scene.host.settle();
            self.try_blocked()?;
            if let Some(sent) = self.scene.host.pop() {
                return Ok(Some(sent));
            }
            if !self.step(limit)? {
                return Ok(None);
            }
        }
    }

    // ---- packets -----------------------------------------------------------------------------------------------

    fn inject(&mut self, packet: &Packet) -> Step<()> {
        let bytes = match &packet.body {
            Body::Tcp(segment) => flows::outside(packet, segment, &mut self.scene)?,
            Body::Icmp(icmp) => icmp::outside(packet, icmp, &mut self.scene)?,
            Body::Other(word) => return Err(Failure::not_built(word.span, &word.value)),
        };
        self.scene.host.inject(bytes);
        Ok(())
    }

    /// The next packet that leaves must be this one; when it left.
    fn expect(&mut self, event: &Event, packet: &Packet, window: Window) -> Step<Duration> {
        let segment = match &packet.body {
            Body::Tcp(segment) => segment,
            Body::Icmp(icmp) => return Err(Failure::not_built(icmp.kind.span, "sending ICMP errors")),
            Body::Other(word) => return Err(Failure::not_built(word.span, &word.value)),
        };
        compare::check_built(segment)?;
        let rounding = window.to.saturating_sub(self.before).mul_f64(self.scene.host.pace().rounding);
        let tolerance = self.settings.tolerance + rounding;
        let limit = window.to.max(self.scene.host.now()) + tolerance;
        let limit = if event.time == Time::Any { self.scene.host.now() + self.settings.patience } else { limit };
        let Some(sent) = self.next_packet(limit)? else {
            self.scene.host.run_to(limit);
            let within = if event.time == Time::Any { "" } else { " in time" };
            return Err(Failure::new(Kind::NoPacket, event.span, format!("no packet has left{within}"))
                .expected(compare::describe(segment)));
        };
        let (length, scale) = (self.settings.tick, self.settings.time_scale);
        let tick = (!length.is_zero()).then_some(Tick { length, tolerance, scale });
        let rules = Rules { any_shift: self.settings.any_shift || !self.scene.host.is_exact(), tick };
        compare::compare(packet, segment, &sent, &mut self.scene, &rules)?;
        let (from, to) = (window.from.saturating_sub(tolerance), window.to + tolerance);
        if event.time != Time::Any && !(from..=to).contains(&sent.at) {
            return Err(Failure::new(Kind::Time, event.span, "the packet has left at the wrong time")
                .expected(times(window))
                .got(seconds(sent.at)));
        }
        Ok(sent.at)
    }

    // ---- calls -------------------------------------------------------------------------------------------------

    fn start_call(&mut self, event: &'a Event, call: &'a crate::ast::Call) -> Step<()> {
        self.scene.host.settle();
        let mut progress = calls::Progress::new(self.scene.host.now());
        match calls::attempt(call, &mut progress, &mut self.scene)? {
            Answer::Returned(result) => {
                self.scene.host.settle();
                let ends = end(event).map(|ends| self.window(ends));
                if let Some(window) =
                    ends.filter(|window| window.from > self.scene.host.now() + self.settings.tolerance)
                {
                    return Err(Failure::new(Kind::Time, call.span, "the call has returned at once")
                        .expected(times(window))
                        .got(seconds(self.scene.host.now())));
                }
                calls::check(call, &result)
            }
            Answer::Blocks => {
                let due = match end(event) {
                    Some(ends) => self.window(ends),
                    None => Window { from: self.before, to: self.before },
                };
                self.blocked.push(Blocked { event, call, progress, due });
                if event.ends.is_some() {
                    return Ok(());
                }
                // Without an end it may take no time: only what happens at this moment can let it return.
                self.pass_until(self.before + self.settings.tolerance.min(self.scene.host.pace().moment))?;
                match self.blocked.last() {
                    Some(blocked) if core::ptr::eq(blocked.event, event) => {
                        Err(Failure::new(Kind::Blocks, call.span, "the call blocks")
                            .help("where it shall return later, write its end: `+0...0.5 read(..) = 100`"))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Tries calls that block again; one that is late is a failure.
    fn try_blocked(&mut self) -> Step<()> {
        let now = self.scene.host.now();
        let tolerance = self.settings.tolerance;
        let mut n = 0;
        while n < self.blocked.len() {
            let blocked = &mut self.blocked[n];
            let (call, due) = (blocked.call, blocked.due);
            let answer = calls::attempt(call, &mut blocked.progress, &mut self.scene)?;
            match answer {
                Answer::Returned(result) => {
                    self.blocked.remove(n);
                    if now + tolerance < due.from || now > due.to + tolerance {
                        return Err(Failure::new(Kind::Time, call.span, "the call has returned at the wrong time")
                            .expected(times(due))
                            .got(seconds(now)));
                    }
                    calls::check(call, &result)?;
                    self.scene.host.settle();
                }
                Answer::Blocks if now > due.to + tolerance => {
                    return Err(
                        Failure::new(Kind::Blocks, call.span, "the call has not returned in time").expected(times(due))
                    );
                }
                Answer::Blocks => n += 1,
            }
        }
        Ok(())
    }

    // ---- the end -----------------------------------------------------------------------------------------------

    fn finish(&mut self, script: &Script) -> Step<()> {
        let end = script.events.last().map_or(Span::default(), |event| event.span);
        self.scene.host.settle();
        let due = self.blocked.iter().map(|blocked| blocked.due.to).max();
        if let Some(due) = due {
            self.pass_until(due + self.settings.tolerance + Duration::from_nanos(1))?;
        }
        if !self.settings.strict {
            return Ok(());
        }
        let limit = self.scene.host.now() + AFTERWARDS;
        match self.next_packet(limit)? {
            None => Ok(()),
            Some(sent) => Err(Failure::new(Kind::Unexpected, end, "a packet has left that no line expects")
                .got(compare::describe_sent(&sent, &self.scene.flows))
                .help("--strict demands that every packet is expected, in the 10 s after the last line, too")),
        }
    }
}

/// When a call must return. Behind a relative beginning, the end counts from there too: `+1...1.5`.
fn end(event: &Event) -> Option<Time> {
    Some(match (event.time, event.ends?) {
        (Time::After(_), Time::At(by)) => Time::After(by),
        (_, end) => end,
    })
}

fn is_fixed(time: Time) -> bool {
    matches!(time, Time::At(_) | Time::After(_))
}

/// A time as a script writes it.
fn seconds(time: Duration) -> String {
    let text = format!("{:.6}", time.as_secs_f64());
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

fn times(window: Window) -> String {
    if window.from == window.to {
        return seconds(window.from);
    }
    format!("{} to {}", seconds(window.from), seconds(window.to))
}
