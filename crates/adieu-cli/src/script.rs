//! `adieu script`: packet scripts, run on the stack in virtual time, or on the kernel's TCP in real time.

mod control;
mod find;
#[cfg(target_os = "linux")]
mod kernel;
mod output;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use adieu_script::run::{Family, Isn, Policy};
use adieu_script::{Defines, Report, Settings, ast, parse, run};
use adieu_trace::Trace;

use crate::args::{Script, Version};
use crate::failure::{Failure, NOT_GRACEFUL};
use find::Source;

/// What became of a script over one family of addresses.
pub(crate) struct Verdict {
    /// The file, as it was named or found.
    pub(crate) file: String,
    /// `ipv4`, `ipv6`, or nothing where the script decides.
    pub(crate) over: &'static str,
    pub(crate) text: String,
    pub(crate) result: Result<(), Trouble>,
    pub(crate) trace: Option<Trace>,
    pub(crate) notes: Vec<String>,
    pub(crate) micros: u128,
}

/// Why a script does not hold.
pub(crate) struct Trouble {
    /// A stable word.
    pub(crate) kind: &'static str,
    pub(crate) error: adieu_script::ScriptError,
}

pub(crate) fn run_scripts(script: &Script) -> Result<ExitCode, Failure> {
    let sources = find::find(&script.paths)?;
    let settings = settings(script)?;
    let defines = defines(&script.define)?;
    output::check(script)?;
    let families: &[Option<Family>] = match script.ip_version {
        None => &[None],
        Some(Version::Ipv4) => &[Some(Family::Ipv4)],
        Some(Version::Ipv6) => &[Some(Family::Ipv6)],
        Some(Version::Both) => &[Some(Family::Ipv4), Some(Family::Ipv6)],
    };
    if script.peer == Tested::Linux {
        return on_linux(&sources, families, &settings, &defines, script);
    }
    if script.mutants {
        return control::run_mutants(&sources, families, &settings, &defines);
    }
    let work: Vec<(&Source, Option<Family>)> =
        sources.iter().flat_map(|source| families.iter().map(move |family| (source, *family))).collect();
    let began = Instant::now();
    let verdicts = play(&work, &settings, &defines, script);
    let took = began.elapsed();
    output::write(&verdicts, script, took)?;
    let held = verdicts.iter().all(|verdict| verdict.result.is_ok());
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}

/// Whose TCP is tested.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Tested {
    /// The stack of ours, in virtual time
    Adieu,
    /// The kernel's TCP, over a TUN device in a network namespace of its own, in real time
    Linux,
}

/// Runs scripts one after the other, since each has the whole machine's time.
#[cfg(target_os = "linux")]
fn on_linux(
    sources: &[Source],
    families: &[Option<Family>],
    settings: &Settings,
    defines: &Defines,
    script: &Script,
) -> Result<ExitCode, Failure> {
    if script.mutants || !script.set.is_empty() {
        return Err(Failure::usage("--mutants and --set are for our own stack, not for --peer linux"));
    }
    let longest = std::time::Duration::from_secs(script.longest.into());
    let defined = defines.over(families[0]);
    let is_long = |source: &&Source| parse(&source.text, &defined).is_ok_and(|parsed| run::lasts(&parsed) > longest);
    let (long, short): (Vec<&Source>, Vec<&Source>) = sources.iter().partition(is_long);
    // Before the first thread.
    let away = kernel::Away::leave_host()?;
    let began = Instant::now();
    let on_kernel =
        |parsed: &ast::Script, settings: &Settings| run::run_on(parsed, settings, |settings| away.kernel(settings));
    let mut verdicts = Vec::new();
    for source in short {
        verdicts.extend(families.iter().map(|family| play_one(source, *family, settings, defines, &on_kernel)));
    }
    if !long.is_empty() {
        let (count, longest) = (long.len(), script.longest);
        crate::failure::notice(format_args!("{count} passed over: they last longer than {longest} s (--longest)"));
    }
    output::write(&verdicts, script, began.elapsed())?;
    let held = verdicts.iter().all(|verdict| verdict.result.is_ok());
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(NOT_GRACEFUL) })
}

#[cfg(not(target_os = "linux"))]
fn on_linux(_: &[Source], _: &[Option<Family>], _: &Settings, _: &Defines, _: &Script) -> Result<ExitCode, Failure> {
    Err(Failure::usage("--peer linux needs Linux"))
}

/// Runs scripts on as many threads as asked for; the order of what comes out is that of what goes in.
fn play(work: &[(&Source, Option<Family>)], settings: &Settings, defines: &Defines, script: &Script) -> Vec<Verdict> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let machine = || thread::available_parallelism().map_or(1, usize::from);
    let jobs = script.jobs.map_or_else(machine, |jobs| usize::from(jobs.get()));
    thread::scope(|scope| {
        for _ in 0..jobs.min(work.len()).max(1) {
            scope.spawn(|| {
                let mut mine = Vec::new();
                while let Some((source, family)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    mine.push(play_one(source, *family, settings, defines, &run));
                }
                done.lock().unwrap_or_else(PoisonError::into_inner).extend(mine);
            });
        }
    });
    let mut verdicts = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    verdicts.sort_by(|one, two| (&one.file, one.over).cmp(&(&two.file, two.over)));
    verdicts
}

/// How a script is run.
type Way<'a> = &'a dyn Fn(&ast::Script, &Settings) -> Result<Report, Box<adieu_script::Failure>>;

fn play_one(source: &Source, family: Option<Family>, settings: &Settings, defines: &Defines, way: Way<'_>) -> Verdict {
    let began = Instant::now();
    let settings = Settings { family, ..settings.clone() };
    let over = match family {
        None => "",
        Some(Family::Ipv4) => "ipv4",
        Some(Family::Ipv6) => "ipv6",
    };
    let (result, trace, notes) = match parse(&source.text, &defines.over(family)) {
        Err(error) => (Err(Trouble { kind: "syntax", error }), None, Vec::new()),
        Ok(parsed) => match way(&parsed, &settings) {
            Ok(report) => (Ok(()), Some(report.trace), report.notes),
            Err(failure) => {
                let error = failure.diagnostic();
                (Err(Trouble { kind: failure.kind.name(), error }), failure.trace, Vec::new())
            }
        },
    };
    let (file, text) = (source.name.clone(), source.text.clone());
    Verdict { file, over, text, result, trace, notes, micros: began.elapsed().as_micros() }
}

fn settings(script: &Script) -> Result<Settings, Failure> {
    let mut settings = Settings {
        strict: script.strict,
        round: usize::from(script.round.get()),
        time_scale: script.time_scale,
        ignore_shell: script.ignore_shell,
        isn: script.isn.unwrap_or_default(),
        ..Settings::default()
    };
    for pair in &script.set {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Failure::usage(format_args!("--set needs KEY=VALUE, not {pair:?}; {POLICIES}")))?;
        set(&mut settings, name, value)?;
    }
    Ok(settings)
}

const POLICIES: &str = "the keys are errno (ours, posix), reset-in-time-wait (ignore, honour), initial-window \
    (segments), receive-buffer and send-buffer (bytes), time-wait, fin-wait-2 and min-rto (milliseconds), retries, \
    orphan-retries, syn-retries and syn-ack-retries, delayed-ack (off, milliseconds), quick-acks (segments), \
    timestamps, sack, loss-probes and syn-cookies (on, off), and wscale (on, off, any: whatever shift is announced)";

fn set(settings: &mut Settings, name: &str, value: &str) -> Result<(), Failure> {
    let wrong = || Failure::usage(format_args!("--set {name}={value}: {POLICIES}"));
    let number = || value.parse::<u32>().map_err(|_| wrong());
    let count = || value.parse::<u8>().map_err(|_| wrong());
    let on = || match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(wrong()),
    };
    let time = || number().map(|millis| std::time::Duration::from_millis(millis.into()));
    let config = &mut settings.config;
    match name {
        "errno" => {
            settings.policy = match value {
                "ours" => Policy::Ours,
                "posix" | "linux" | "bsd" => Policy::Posix,
                _ => return Err(wrong()),
            };
        }
        "reset-in-time-wait" => {
            config.reset_ends_time_wait = match value {
                "ignore" => false,
                "honour" => true,
                _ => return Err(wrong()),
            };
        }
        "initial-window" => config.initial_window = count()?,
        "delayed-ack" => config.ack_delay = if value == "off" { std::time::Duration::ZERO } else { time()? },
        "quick-acks" => config.quick_acks = count()?,
        "timestamps" => config.timestamps = on()?,
        "sack" => config.selective_acks = on()?,
        "wscale" if value == "any" => settings.any_shift = true,
        "wscale" => config.window_scaling = on()?,
        "loss-probes" => config.loss_probes = on()?,
        "syn-cookies" => config.syn_cookies = on()?,
        "receive-buffer" => config.receive_buffer = number()?,
        "send-buffer" => config.send_buffer = number()?,
        "time-wait" => (config.time_wait, config.unsafe_short_time_wait) = (time()?, true),
        "fin-wait-2" => config.fin_wait_2 = time()?,
        "min-rto" => config.min_rto = time()?,
        "retries" => config.retries = count()?,
        "orphan-retries" => config.orphan_retries = count()?,
        "syn-retries" => config.syn_retries = count()?,
        "syn-ack-retries" => config.syn_ack_retries = count()?,
        _ => return Err(wrong()),
    }
    Ok(())
}

fn defines(given: &[String]) -> Result<Defines, Failure> {
    let mut defines = Defines::default();
    for define in given {
        defines.add(define)?;
    }
    Ok(defines)
}

/// `--isn N|wrap`.
pub(crate) fn isn(text: &str) -> Result<Isn, String> {
    match text {
        "wrap" => Ok(Isn::Wrap),
        _ => text.parse().map(Isn::At).map_err(|_| "give a number from 0 to 4294967295, or wrap".into()),
    }
}
