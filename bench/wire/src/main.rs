//! How long a transfer takes over a wire that delays and loses packets, by who stands at its ends: the kernel's TCP at
//! both, or ours at one. The wire is the same code for all, and loses by the same numbers in each round.

mod kernel;
mod ours;
mod wire;

use std::process::ExitCode;
use std::time::Duration;

use wire::{End, Wire};

/// Who sends to whom.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Pair {
    KernelToKernel,
    AdieuToKernel,
    KernelToAdieu,
}

const PAIRS: [Pair; 3] = [Pair::KernelToKernel, Pair::AdieuToKernel, Pair::KernelToAdieu];

/// What is lost, in millionths.
const LOSSES: [u32; 3] = [0, 10_000, 50_000];
/// One way; the round trip is twice that.
const DELAY: Duration = Duration::from_millis(10);

struct Options {
    rounds: u64,
    bytes: u64,
    json: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options { rounds: 9, bytes: 1 << 20, json: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let number = words.next().and_then(|number| number.parse::<u64>().ok()).filter(|number| *number > 0);
            number.ok_or_else(|| format!("{word} needs a number"))
        };
        match word.as_str() {
            "--pairs" => options.rounds = number()?,
            "--bytes" => options.bytes = number()?,
            "--json" => options.json = true,
            _ => return Err(format!("{word}? --pairs N, --bytes N, --json")),
        }
    }
    Ok(options)
}

/// One transfer: from `connect` until the sender has read the end of the stream that answers its own.
fn transfer(pair: Pair, loss: u32, seed: u64, bytes: u64) -> Result<Duration, String> {
    let wire = Wire::new(DELAY, loss, seed);
    match pair {
        Pair::KernelToKernel => {
            let (receiver, _) = kernel::receiver()?;
            let (sender, taken) = kernel::sender(bytes)?;
            wire.run([End::Tun(sender), End::Tun(receiver)], &taken)
        }
        Pair::AdieuToKernel => {
            let (receiver, _) = kernel::receiver()?;
            let (sender, taken) = ours::sender(bytes);
            wire.run([End::Ours(sender), End::Tun(receiver)], &taken)
        }
        Pair::KernelToAdieu => {
            let (sender, taken) = kernel::sender(bytes)?;
            wire.run([End::Tun(sender), End::Ours(ours::receiver())], &taken)
        }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Medians of the three pairs at one rate of loss, in the order of [`PAIRS`].
fn row(options: &Options, loss: u32) -> Result<[Duration; 3], String> {
    let mut times: [Vec<Duration>; 3] = Default::default();
    for round in 0..options.rounds {
        // One after the other, so that what else the machine does meets all alike.
        for (pair, times) in PAIRS.into_iter().zip(&mut times) {
            times.push(transfer(pair, loss, round, options.bytes)?);
        }
    }
    Ok(times.map(median))
}

fn run() -> Result<(), String> {
    let options = options()?;
    let mut rows = Vec::new();
    for loss in LOSSES {
        rows.push((loss, row(&options, loss)?));
    }
    let seconds = |time: Duration| time.as_secs_f64();
    if options.json {
        let row = |(loss, [kernel, to, from]): &(u32, [Duration; 3])| {
            let (kernel, to, from) = (seconds(*kernel), seconds(*to), seconds(*from));
            format!(
                "{{\"loss\":{},\"kernel_to_kernel\":{kernel:.4},\"adieu_to_kernel\":{to:.4},\"kernel_to_adieu\":{from:.4}}}",
                f64::from(*loss) / 1e6
            )
        };
        let rows: Vec<String> = rows.iter().map(row).collect();
        println!(
            "{{\"kernel\":\"{}\",\"congestion_control\":\"{}\",\"pairs\":{},\"bytes\":{},\"rows\":[{}]}}",
            kernel::version(),
            kernel::CONGESTION_CONTROL,
            options.rounds,
            options.bytes,
            rows.join(",")
        );
        return Ok(());
    }
    println!(
        "{} bytes, round trip 20 ms, medians of {} in seconds (and as a share of the first)",
        options.bytes, options.rounds
    );
    println!("the kernel: {}, {}", kernel::version(), kernel::CONGESTION_CONTROL);
    println!("loss  kernel to kernel     adieu to kernel     kernel to adieu");
    for (loss, [kernel, to, from]) in rows {
        let shown = |time: Duration| format!("{:9.3} ({:4.2})", seconds(time), seconds(time) / seconds(kernel));
        println!("{:3} %  {:16.3}    {}    {}", loss / 10_000, seconds(kernel), shown(to), shown(from));
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
