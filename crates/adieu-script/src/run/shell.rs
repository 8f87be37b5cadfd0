//! Commands between backticks: those that ask or change something of TCP have a meaning here.

use adieu_core::State;

use super::failure::{Failure, Kind};
use super::settings::Settings;
use super::sockets::Scene;
use crate::ast::Spanned;

/// Runs the commands of one pair of backticks: lines, or separated by semicolons or `&&`.
pub(crate) fn run(command: &Spanned<String>, scene: &mut Scene, settings: &Settings) -> Result<(), Box<Failure>> {
    let text = command.value.replace("\\\n", " ").replace("&&", ";");
    for line in text.split(['\n', ';']).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words = words(line);
        match words[0].as_str() {
            "sysctl" => {
                for word in words[1..].iter().filter(|word| !word.starts_with('-')) {
                    let (name, value) = word.split_once('=').ok_or_else(|| {
                        Failure::meaning(command.span, format!("sysctl needs NAME=VALUE, not {word:?}"))
                    })?;
                    match scene.host.sysctl(name, value) {
                        Ok(true) => {}
                        Ok(false) => {
                            scene.notes.push(format!("ignored: sysctl {name}: there is no such parameter here"));
                        }
                        Err(sentence) => return Err(Failure::meaning(command.span, sentence)),
                    }
                }
            }
            "sockstat" | "!" => ask(line, command, scene)?,
            "tcpdrop" => {
                scene.sockets.all().for_each(|id| scene.host.abort(id));
                scene.host.settle();
            }
            _ if settings.ignore_shell => scene.notes.push(format!("ignored: `{line}`")),
            other => {
                return Err(Failure::meaning(command.span, format!("the command `{other}` has no meaning here"))
                    .help("sysctl, sockstat | grep STATE and tcpdrop have; --ignore-shell passes over others"));
            }
        }
    }
    Ok(())
}

/// Words between blanks; quotes keep blanks in a word, and go.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for letter in line.chars() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, blank) if blank.is_whitespace() => words.push(String::new()),
            _ => words.last_mut().expect("there is always one").push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    if words.is_empty() { vec![String::new()] } else { words }
}

/// `sockstat .. | grep STATE`: whether a connection is in that state; `! sockstat ..`: that none is.
fn ask(line: &str, command: &Spanned<String>, scene: &Scene) -> Result<(), Box<Failure>> {
    let (negated, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let question = line.split_once('|').and_then(|(_, filter)| filter.trim().strip_prefix("grep"));
    let word = question.and_then(|words| words.split_whitespace().rfind(|word| !word.starts_with('-')));
    let Some(word) = word else {
        return Err(Failure::meaning(command.span, "write `sockstat .. | grep STATE`"));
    };
    let state = state(word).ok_or_else(|| Failure::meaning(command.span, format!("there is no state {word:?}")))?;
    let listening = state == State::Listen && scene.sockets.listens();
    let found = listening || scene.flows.flows().any(|flow| scene.host.state_of(&flow) == state);
    if found != negated {
        return Ok(());
    }
    let states: Vec<&str> = scene.flows.flows().map(|flow| scene.host.state_of(&flow).name()).collect();
    let (expected, got) = (if negated { "none in" } else { "one in" }, states.join(", "));
    Err(Failure::new(Kind::Assertion, command.span, "no connection is in that state")
        .expected(format!("{expected} {}", state.name()))
        .got(if got.is_empty() { "no connection".into() } else { got }))
}

fn state(word: &str) -> Option<State> {
    let plain: String = word.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase();
    State::ALL
        .into_iter()
        .find(|state| state.name().replace('-', "") == plain || plain == "SYNRCVD" && *state == State::SynReceived)
}
