//! What parked connections cost; see `bench/README.md`.

mod alloc;
mod linux;
mod measure;
mod report;
mod steps;
mod world;

use std::process::{Command, ExitCode};

use measure::{PACKETS, Parked, UNDER_CALLGRIND};
use report::{Other, Report, Row};
use serde::de::DeserializeOwned;
use world::{Family, Stage};

type Failure = Box<dyn std::error::Error>;

const RECORDS: u32 = 1_000_000;
const USAGE: &str = "usage: bench/parked/run [--json] [--records N]";
/// Runs of what has goals. The calls are the same each time, so what takes long only once was not ours.
const RUNS: usize = 3;
/// Batches of another flow's packets, for a median.
const BATCHES: usize = 101;

struct Kind {
    name: &'static str,
    stage: Stage,
    /// Bytes of one that we aim at, for IPv4 and IPv6.
    goals: Option<[u32; 2]>,
    slabs: [&'static str; 2],
}

/// Linux keeps an orphan in FIN-WAIT-2 as it keeps TIME-WAIT, in a `tw_sock`.
const KINDS: [Kind; 4] = [
    Kind { name: "time-wait", stage: Stage::TimeWait, goals: Some([64, 96]), slabs: ["tw_sock_TCP", "tw_sock_TCPv6"] },
    Kind {
        name: "fin-wait-2",
        stage: Stage::FinWait2,
        goals: Some([96, 128]),
        slabs: ["tw_sock_TCP", "tw_sock_TCPv6"],
    },
    Kind {
        name: "syn-received",
        stage: Stage::SynReceived,
        goals: None,
        slabs: ["request_sock_TCP", "request_sock_TCPv6"],
    },
    Kind { name: "established", stage: Stage::Established, goals: None, slabs: ["TCP", "TCPv6"] },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("parked: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<(), Failure> {
    match args {
        // One measurement, in a process of its own.
        ["park", kind, version, records] => {
            let family = if *version == "4" { Family::V4 } else { Family::V6 };
            print_json(&measure::park(stage(kind)?, family, records.parse()?))
        }
        ["probe", kind, parked, batches] => {
            print_json(&measure::probe(stage(kind)?, parked.parse()?, batches.parse()?))
        }
        [] => measure_all(RECORDS, false),
        ["--json"] => measure_all(RECORDS, true),
        ["--records", n] => measure_all(n.parse()?, false),
        ["--json", "--records", n] | ["--records", n, "--json"] => measure_all(n.parse()?, true),
        _ => Err(USAGE.into()),
    }
}

fn stage(kind: &str) -> Result<Stage, Failure> {
    Ok(KINDS.iter().find(|known| known.name == kind).ok_or(USAGE)?.stage)
}

/// How many are parked while another flow's packets are counted.
fn steps_to(records: u32) -> [u32; 3] {
    [0, records / 100, records]
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

fn measure_all(records: u32, json: bool) -> Result<(), Failure> {
    let count = records.to_string();
    let mut rows = Vec::new();
    for kind in &KINDS {
        for (at, version) in ["4", "6"].into_iter().enumerate() {
            let mut parked: Parked = child(&["park", kind.name, version, &count])?;
            for _ in 1..if kind.goals.is_some() { RUNS } else { 1 } {
                parked.merge(child(&["park", kind.name, version, &count])?);
            }
            let (goal, linux) = (kind.goals.map(|goals| goals[at]), linux::object_size(kind.slabs[at]));
            rows.push(Row { kind: kind.name.into(), version: at * 2 + 4, goal, linux, parked });
        }
    }
    let mut others = Vec::new();
    for kind in &KINDS[..2] {
        let probe = |parked: u32| child(&["probe", kind.name, &parked.to_string(), &BATCHES.to_string()]);
        let nanos = steps_to(records).into_iter().map(probe).collect::<Result<_, _>>()?;
        others.push(Other { kind: kind.name.into(), instructions: instructions(kind.name, records)?, nanos });
    }
    let report = Report { records, parked_beside: steps_to(records), rows, others };
    if json {
        return print_json(&report);
    }
    print!("{}", report::table(&report));
    Ok(())
}

fn child<T: DeserializeOwned>(args: &[&str]) -> Result<T, Failure> {
    eprintln!("parked: measuring {}", args.join(" "));
    let output = Command::new(std::env::current_exe()?).args(args).output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Instructions for each packet of another flow, by callgrind; `None` without valgrind.
fn instructions(kind: &str, records: u32) -> Result<Option<Vec<f64>>, Failure> {
    let out = std::env::temp_dir().join(format!("parked-{}", std::process::id()));
    let mut counts = Vec::new();
    for parked in steps_to(records) {
        eprintln!("parked: counting instructions beside {parked} in {kind}");
        let run = Command::new("valgrind")
            .env(UNDER_CALLGRIND, "1")
            .args(["--tool=callgrind", "--instr-atstart=no", "--toggle-collect=parked::measure::batch*"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?)
            .args(["probe", kind, &parked.to_string(), "1"])
            .output();
        let Ok(run) = run else { return Ok(None) };
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<u64>().ok());
        let total = total.filter(|_| run.status.success());
        counts.push(total.ok_or_else(|| String::from_utf8_lossy(&run.stderr).into_owned())? as f64 / PACKETS as f64);
        std::fs::remove_file(&out)?;
    }
    Ok(Some(counts))
}
