//! Every scenario, on every device, at every width.

use std::thread;

use adieu_sim::Device;

use adieu_core::Duration;

use super::*;
use crate::tour::show::page;

fn options() -> Options {
    Options::default()
}

/// Claims that did not hold.
fn failures(scenario: &Scenario, options: &Options) -> Vec<String> {
    let outcome = scenario.play(options).outcome;
    assert!(!outcome.checks.is_empty(), "{} checks nothing", scenario.name);
    let failed = outcome.checks.iter().filter(|check| !check.held);
    failed.map(|check| format!("{} on {:?}: {}", scenario.name, options.device, check.claim)).collect()
}

fn all_hold(devices: &[[Device; 2]]) {
    let on = |device| move |scenario| failures(scenario, &Options { device, ..options() });
    let failed: Vec<String> = devices.iter().flat_map(|device| SCENARIOS.iter().flat_map(on(*device))).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn every_check_holds() {
    all_hold(&[[Device::Plain; 2]]);
}

#[test]
fn every_check_holds_on_a_device_that_refuses() {
    use Device::{Plain, Refusing};
    all_hold(&[[Refusing, Plain], [Plain, Refusing], [Refusing, Refusing]]);
}

#[test]
fn every_check_holds_where_the_clients_device_loses_a_packet() {
    all_hold(&(0..12).map(|n| [Device::Losing(n), Device::Plain]).collect::<Vec<_>>());
}

#[test]
fn every_check_holds_where_the_servers_device_loses_a_packet() {
    all_hold(&(0..12).map(|n| [Device::Plain, Device::Losing(n)]).collect::<Vec<_>>());
}

#[test]
fn every_check_holds_for_the_shortest_and_the_longest_wait() {
    for secs in [30, 120, 240] {
        let options = Options { time_wait: Some(Duration::from_secs(secs)), ..options() };
        let failed: Vec<String> = SCENARIOS.iter().flat_map(|scenario| failures(scenario, &options)).collect();
        assert!(failed.is_empty(), "{secs} s: {}", failed.join("\n"));
    }
}

#[test]
fn every_check_holds_over_ipv6() {
    let options = Options { ipv6: true, ..options() };
    let failed: Vec<String> = SCENARIOS.iter().flat_map(|scenario| failures(scenario, &options)).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn pages_fit_and_are_ascii_where_asked() {
    thread::scope(|scope| {
        for scenario in SCENARIOS {
            scope.spawn(|| {
                let played = scenario.play(&options());
                for (width, ascii) in [60, 80, 100, 120].into_iter().flat_map(|width| [(width, false), (width, true)]) {
                    let page = page(&played, &Options { width, ascii, ..options() });
                    let widest = page.lines().map(|line| line.chars().count()).max().unwrap_or(0);
                    assert!(widest <= width, "{}: {widest} columns of {width}\n{page}", scenario.name);
                    assert!(!ascii || page.is_ascii(), "{page}");
                    assert!(page.lines().all(|line| line.trim_end() == line), "{page}");
                    assert!(page.lines().count() < 170, "{} has {} lines", scenario.name, page.lines().count());
                }
            });
        }
    });
}

#[test]
fn the_same_scenario_is_the_same_page() {
    for scenario in SCENARIOS {
        let [one, two] = [(); 2].map(|()| page(&scenario.play(&options()), &options()));
        assert!(one == two, "{}", scenario.name);
    }
}

#[test]
fn names_are_kebab_case_and_titles_one_line() {
    for Scenario { name, title, run: _ } in SCENARIOS {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        assert!(title.is_ascii() && name.len() + 2 + title.len() <= 100, "{title}");
        assert_eq!(SCENARIOS.iter().filter(|other| other.name == *name).count(), 1, "{name}");
    }
}
