//! The tests as trials: registered one per line, run over both families of addresses, ignored with a reason where the
//! machine lacks what they need. Rust's own harness would call a test that cannot run here passed.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::family::Family;
use crate::sandbox::{namespace, texts};

/// The trials of a module, one line each: `name();` runs anywhere, `name() needs Tun;` where a TUN can be made, and
/// `name(Family)` is run over IPv4 and over IPv6.
macro_rules! register {
    ($($name:ident($($family:ident)?) $(needs $($need:ident),+)?;)+) => {
        pub(crate) fn trials() -> Vec<libtest_mimic::Trial> {
            let mut trials = Vec::new();
            $(
                let name = concat!(module_path!(), "::", stringify!($name));
                let needs = &[$($($crate::harness::Need::$need),+)?];
                trials.extend($crate::harness::Body::trials($name as fn($($family)?), name, needs));
            )+
            trials
        }
    };
}
pub(crate) use register;

/// What not every machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// The right and the driver to make a TUN in a namespace of our own.
    Tun,
    /// Rules that lose packets.
    Nft,
    /// Another reader of captures.
    Tshark,
    /// A kernel that has not switched IPv6 off. Implied by [`Family::Ipv6`].
    Ipv6,
}

impl Need {
    /// As it stands in brackets before a test's name.
    fn kind(self) -> &'static str {
        match self {
            Self::Tun => "tun",
            Self::Nft => "nft",
            Self::Tshark => "tshark",
            Self::Ipv6 => "ipv6",
        }
    }

    /// As it is named where it is not here.
    fn name(self) -> &'static str {
        match self {
            Self::Tun => "/dev/net/tun",
            Self::Nft => "nft",
            Self::Tshark => "tshark",
            Self::Ipv6 => "IPv6",
        }
    }

    /// Why it is not here, found out when it is first needed, and once.
    fn lack(self) -> Option<&'static str> {
        static FOUND: [OnceLock<Option<String>>; 4] = [const { OnceLock::new() }; 4];
        let look = || match self {
            Self::Tun => fails("test -c /dev/net/tun && ip tuntap add dev probe0 mode tun"),
            Self::Nft => fails("nft add table ip probe"),
            // The one that no namespace is needed for.
            Self::Tshark => Command::new("tshark").arg("--version").output().err().map(|error| error.to_string()),
            Self::Ipv6 => fails("ip addr add fd77::2/126 dev lo"),
        };
        FOUND[self as usize].get_or_init(look).as_deref()
    }
}

/// Why a script cannot be run in a namespace of its own.
fn fails(script: &str) -> Option<String> {
    if let Err(error) = Command::new("unshare").arg("--version").output() {
        return Some(format!("unshare: {error}"));
    }
    let output = namespace(script, &[]);
    let why = || format!("`{script}` fails: {}: {}", output.status, texts(&output).1);
    (!output.status.success()).then(why)
}

/// A test's function.
pub(crate) trait Body {
    /// The trials it makes under `path`, which begins with the crate's name.
    fn trials(self, path: &str, needs: &'static [Need]) -> Vec<Trial>;
}

impl Body for fn() {
    fn trials(self, path: &str, needs: &'static [Need]) -> Vec<Trial> {
        vec![trial(within_crate(path), needs.to_vec(), self)]
    }
}

impl Body for fn(Family) {
    fn trials(self, path: &str, needs: &'static [Need]) -> Vec<Trial> {
        let twin = |family: Family| {
            let name = format!("{}::{}", within_crate(path), family.name());
            let mut needs = needs.to_vec();
            needs.extend((family == Family::Ipv6).then_some(Need::Ipv6));
            trial(name, needs, move || self(family))
        };
        Family::BOTH.map(twin).into()
    }
}

fn within_crate(path: &str) -> String {
    path.split_once("::").expect("a module's path").1.to_owned()
}

fn trial(name: String, needs: Vec<Need>, body: impl FnOnce() + Send + 'static) -> Trial {
    // The family stands in the name already.
    let kinds: Vec<&str> = needs.iter().filter(|need| !matches!(need, Need::Ipv6)).map(|need| need.kind()).collect();
    Trial::ignorable_test(name, move || run(&needs, body)).with_kind(kinds.join(", "))
}

/// Runs a test that has what it needs. Where something is lacking the test is ignored, unless `ADIEU_REQUIRE_TUN=1`
/// demands that it runs.
fn run(needs: &[Need], body: impl FnOnce()) -> Result<Completion, Failed> {
    for need in needs {
        let Some(why) = need.lack() else { continue };
        let name = need.name();
        if std::env::var_os("ADIEU_REQUIRE_TUN").is_some() {
            return Err(format!("ADIEU_REQUIRE_TUN is set, and there is no {name}: {why}").into());
        }
        return Ok(Completion::ignored_with(format!("skipped: no {name}")));
    }
    catch_unwind(AssertUnwindSafe(body)).map_err(|_| panicked())?;
    Ok(Completion::Completed)
}

thread_local! {
    /// Where this thread panicked, and its words.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The words of this thread's panic, once: for who starts threads of his own.
pub(crate) fn panicked() -> String {
    PANIC.take()
}

/// Runs the trials that the arguments choose.
pub(crate) fn main<const N: usize>(trials: [Vec<Trial>; N]) -> ExitCode {
    let arguments = Arguments::from_args();
    // Keeps what a panic says for the list of failures, which would else lack the line of the assertion, and keeps it
    // off the lines of the tests that run meanwhile.
    set_hook(Box::new(|info| PANIC.set(info.to_string())));
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

register! {
    no_test_is_left_to_another_harness();
}

/// The compiler drops a function with Rust's own attribute, without a word, where that harness is not used.
fn no_test_is_left_to_another_harness() {
    let attribute = concat!("#[", "test]");
    let target = module_path!().split("::").next().expect("the target's name, which its directory has too");
    let directory = format!("{}/tests/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(attribute), "{} has {attribute}: name the test in register! instead", path.display());
        files += 1;
    }
    assert!(files > 1, "{files} files");
}
