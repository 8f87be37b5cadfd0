//! Documents as they are written.

use adieu_core::wire::Flags;
use insta::assert_snapshot;
use serde_json::{Value, to_string_pretty, to_value};

use super::{VERSION, json, names};
use crate::receipt::tests::{bad, goodbye};
use crate::stories::{Story, four_way, lost_fin};

#[test]
fn a_lost_fin_and_receipts() {
    let [client, _] = goodbye();
    let document = json(&lost_fin().trace, [Some(&client), Some(&bad())]);
    assert_snapshot!(to_string_pretty(&document).unwrap());
}

#[test]
fn nothing_happened() {
    let document = json(&Story::begin(adieu_core::State::Closed).trace, [None, None]);
    assert_snapshot!(to_string_pretty(&document).unwrap());
}

#[test]
fn nothing_is_left_out() {
    let [client, server] = goodbye();
    let trace = four_way().trace;
    let document = to_value(json(&trace, [Some(&client), Some(&server)])).unwrap();
    assert_eq!(document["version"], VERSION);
    let events = document["events"].as_array().unwrap();
    assert_eq!(events.len(), trace.events.len());
    let keys = |value: &Value| value.as_object().unwrap().len();
    for event in events {
        let fields = match event["kind"].as_str().unwrap() {
            "segment" => 10,
            "state" => 5,
            "app" => 4,
            other => panic!("{other}"),
        };
        assert_eq!(keys(event), fields, "{event}");
    }
    let orders = document["receipts"].as_array().unwrap().iter().map(|receipt| {
        assert_eq!(keys(receipt), 22, "{receipt}");
        (receipt["ending"].as_str().unwrap(), receipt["closed_first"].as_str().unwrap())
    });
    let wanted = [("graceful-local-first", "this-end"), ("graceful-peer-first", "peer")];
    assert_eq!(orders.collect::<Vec<_>>(), wanted);
}

#[test]
fn every_bit_has_a_name() {
    assert_eq!(names(Flags::from_bits(0xff)), ["SYN", "FIN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]);
    assert!(names(Flags::NONE).is_empty());
}

/// The fields in the page for readers are those that are written.
#[test]
fn the_page_names_every_field() {
    let page = include_str!("../../../../docs/trace-json.md");
    let [client, server] = goodbye();
    let document = to_value(json(&four_way().trace, [Some(&client), Some(&server)])).unwrap();
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    assert!(page.contains(&format!("`{field}`")), "{field} is not in docs/trace-json.md");
                    open.push(value);
                }
            }
            Value::Array(values) => open.extend(values),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
