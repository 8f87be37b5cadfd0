//! The universe, the counts, and their forms.

use std::collections::BTreeSet;

use adieu_core::State;

use crate::coverage::{Call, Cell, Coverage, Event, Found, Linger, Situation, Standing};

fn wanted(pick: impl Fn(&Cell) -> bool) -> [usize; 2] {
    let all: Vec<Cell> = Cell::all().into_iter().filter(pick).collect();
    let wanted = all.iter().filter(|cell| cell.is_wanted()).count();
    [wanted, all.len() - wanted]
}

#[test]
fn every_cell_is_there_once_and_has_a_name_of_its_own() {
    let all = Cell::all();
    let names: BTreeSet<String> = all.iter().map(Cell::to_string).collect();
    assert_eq!((names.len(), all.iter().collect::<BTreeSet<_>>().len()), (all.len(), all.len()));
    assert_eq!(wanted(|cell| matches!(cell, Cell::Pair(..))), [21, 15], "4.3");
    assert_eq!(wanted(|cell| matches!(cell, Cell::Event(..))), [96, 14]);
    assert_eq!(wanted(|cell| matches!(cell, Cell::Reopening(_))), [8, 0], "TW-8");
    assert_eq!(wanted(|cell| matches!(cell, Cell::Linger(..))), [36, 6], "1.13");
    assert_eq!(wanted(|cell| matches!(cell, Cell::Variant(..))), [40, 0]);
}

#[test]
fn what_cannot_be_says_why_with_a_requirement() {
    for cell in Cell::all() {
        if let Standing::Cannot(why) = cell.standing() {
            let named = why.chars().any(|c| c.is_ascii_digit());
            assert!(named && why.contains('(') || why.starts_with("4.3"), "{cell}: {why}");
        }
    }
}

#[test]
fn a_lost_cell_is_lost_and_a_new_one_is_new() {
    let (one, two) = (Cell::Event(State::Listen, Event::Syn), Cell::LostFin(1));
    let (mut first, mut second) = (Coverage::new(), Coverage::new());
    first.note(one);
    second.note(two);
    second.note(two);
    let difference = second.difference(&first.snapshot());
    assert_eq!(difference.to_string(), "lost  event: SYN in LISTEN\nnew   lost: FIN, copy 1\n");
    first.merge(&second);
    assert_eq!((first.count(one), first.count(two), first.reached()), (1, 2, vec![one, two]));
    assert!(first.difference(&first.snapshot()).is_empty());
    assert_eq!(first.missing().len() + 2, Cell::all().iter().filter(|cell| cell.is_wanted()).count());
}

#[test]
fn what_cannot_be_is_told_apart_from_what_is_missing() {
    let mut coverage = Coverage::new();
    let never = Cell::pair(State::CloseWait, State::CloseWait);
    coverage.note(never);
    assert_eq!(coverage.impossible().first().map(|(cell, _)| *cell), Some(never));
    let table = coverage.to_string();
    assert!(table.contains("1!") && table.contains("NONE") && table.contains("0 of "), "{table}");
    let widest = table.lines().map(str::len).max();
    assert!(widest <= Some(205), "{widest:?}");
}

#[test]
fn json_has_every_cell() {
    let mut coverage = Coverage::new();
    coverage.note(Cell::LostAck(2));
    let json = serde_json::to_value(&coverage).expect("it is plain data");
    let cells = json.as_array().expect("a list");
    assert_eq!(cells.len(), Cell::all().len());
    let find = |name: &str| cells.iter().find(|cell| cell["cell"] == name).expect("it is there");
    let lost = find("lost: answer to FIN, copy 2");
    assert_eq!((lost["count"].as_u64(), lost["wanted"].as_bool(), lost.get("cannot")), (Some(1), Some(true), None));
    assert!(find("event: timeout in CLOSED")["cannot"].is_string());
}

#[test]
fn lm_rows_are_read_from_top_to_bottom() {
    let row = |state, ended, unread| {
        let mut coverage = Coverage::new();
        coverage.called(Found { state, ended, unread }, Call::Close(Linger::For));
        coverage.reached().into_iter().find_map(|cell| match cell {
            Cell::Linger(situation, Linger::For) => Some(situation),
            _ => None,
        })
    };
    assert_eq!(row(State::Closed, true, true), Some(Situation::Ended));
    assert_eq!(row(State::TimeWait, true, true), Some(Situation::TimeWait));
    assert_eq!(row(State::Established, false, true), Some(Situation::Unread), "UD-9");
    assert_eq!(row(State::Established, false, false), Some(Situation::Established));
    assert_eq!(row(State::LastAck, false, false), Some(Situation::LastAck));
    assert_eq!(row(State::SynSent, false, false), Some(Situation::SynSent));
    let mut coverage = Coverage::new();
    let found = Found { state: State::FinWait1, ended: false, unread: false };
    coverage.called(found, Call::LingerExpired);
    coverage.called(found, Call::LingerContinued);
    coverage.unlistened(false);
    let names: Vec<String> = coverage.reached().iter().map(Cell::to_string).collect();
    let all = [
        "event: CLOSE in LISTEN",
        "event: ABORT in FIN-WAIT-1",
        "linger: 2 LISTEN, off",
        "linger: 6 time over, goes on, t > 0",
        "linger: 6 time over, reset, t > 0",
    ];
    assert_eq!(names, all);
}
