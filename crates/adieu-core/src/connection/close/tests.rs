use super::*;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

type Event = (&'static str, fn(&mut Close));

const EVENTS: [Event; 4] = [
    ("shut_down", Close::shut_down),
    ("fin_sent", Close::fin_sent),
    ("fin_acked", |close| {
        if close.send >= SendHalf::FinSent {
            close.fin_acked();
        }
    }),
    ("fin_received", Close::fin_received),
];

/// Every pair the four events can reach, in the order they are found.
fn reachable() -> Vec<Close> {
    let mut found = vec![Close::default()];
    let mut next = 0;
    while next < found.len() {
        for (_, event) in EVENTS {
            let mut close = found[next];
            event(&mut close);
            if !found.contains(&close) {
                found.push(close);
            }
        }
        next += 1;
    }
    found
}

fn label(close: Close) -> String {
    let recv = match close.recv {
        RecvHalf::Open => "Open",
        RecvHalf::FinReceived { first: Closer::Us } => "FIN second",
        RecvHalf::FinReceived { first: Closer::Peer } => "FIN first",
    };
    format!("{:<9} / {recv:<10}", format!("{:?}", close.send))
}

#[test]
fn the_whole_table() {
    let mut table = format!("{:<22} {:<12}", "send / recv", "state");
    for (name, _) in EVENTS {
        table += &format!(" {name:<12}");
    }
    for close in reachable() {
        table += &format!("\n{} {:<12}", label(close), close.state());
        for (_, event) in EVENTS {
            let mut after = close;
            event(&mut after);
            let cell = if after == close { "." } else { after.state().name() };
            table += &format!(" {cell:<12}");
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn the_edges_are_the_diagram_of_rfc_9293() {
    let mut edges = BTreeSet::new();
    for close in reachable() {
        for (name, event) in EVENTS {
            let mut after = close;
            event(&mut after);
            if after.state() != close.state() {
                edges.insert(format!("{} -> {} [{name}]", close.state(), after.state()));
            }
        }
    }
    let edges: Vec<String> = edges.into_iter().collect();
    insta::assert_snapshot!(edges.join("\n"));
}

#[test]
fn eleven_of_twelve_pairs_can_be() {
    assert_eq!(reachable().len(), 11);
    assert_eq!(size_of::<Close>(), 2);
}
