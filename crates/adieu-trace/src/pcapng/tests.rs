//! Files read back with another parser. What tshark says of them is asked by the command's tests.

use adieu_core::State;
use adieu_core::wire::Packet;
use adieu_core::wire::ip::Datagram;
use pcap_parser::pcapng::{Block, PcapNGOption};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Linktype, PcapNGSlice};

use super::{Run, pcapng};
use crate::Side::{Left, Right};
use crate::stories::{ACK, FIN_ACK, Story, four_way, lost_fin, reset, simultaneous};
use crate::{End, Trace};

/// 2026-01-02 03:04:05.678901234 UTC.
const ORIGIN: u64 = 1_767_323_045_678_901_234;

/// What another parser sees.
#[derive(Debug, Default)]
struct Seen {
    section: Vec<String>,
    interfaces: Vec<(String, String, Vec<String>)>,
    /// Interface, nanoseconds, bytes, comments.
    packets: Vec<(u32, u64, Vec<u8>, Vec<String>)>,
}

fn read(file: &[u8]) -> Seen {
    let comments = |options: &[PcapNGOption<'_>]| -> Vec<String> {
        options.iter().filter(|option| option.code.0 == 1).map(|option| option.as_str().unwrap().into()).collect()
    };
    let mut seen = Seen::default();
    for block in PcapNGSlice::from_slice(file).unwrap() {
        match block.unwrap() {
            pcap_parser::PcapBlockOwned::NG(Block::SectionHeader(section)) => {
                let texts = [section.shb_hardware(), section.shb_userappl()];
                seen.section = texts.map(|text| text.unwrap().unwrap().to_owned()).into();
            }
            pcap_parser::PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                assert_eq!((interface.linktype, interface.snaplen), (Linktype::RAW, 0));
                assert_eq!(interface.ts_resolution(), Some(1_000_000_000));
                let texts = [interface.if_name(), interface.if_description()].map(|text| text.unwrap().unwrap().into());
                let [name, description] = texts;
                seen.interfaces.push((name, description, comments(&interface.options)));
            }
            pcap_parser::PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let at = (u64::from(packet.ts_high) << 32) + u64::from(packet.ts_low);
                assert_eq!(packet.caplen, packet.origlen);
                seen.packets.push((packet.if_id, at, packet.packet_data().into(), comments(&packet.options)));
            }
            _ => panic!("an unexpected block"),
        }
    }
    seen
}

fn file(stories: &[(&str, &Story)]) -> Vec<u8> {
    let runs: Vec<Run<'_>> =
        stories.iter().map(|(name, story)| Run { name, title: "a \"story\"", trace: &story.trace }).collect();
    pcapng(&runs, ORIGIN)
}

#[test]
fn packets_come_back_as_they_were_sent() {
    let story = four_way();
    let seen = read(&file(&[("four-way", &story)]));
    assert_eq!(seen.section[1], concat!("adieu ", env!("CARGO_PKG_VERSION")));
    let sent = &story.trace.packets;
    assert_eq!(seen.packets.len(), sent.len());
    for (seen, sent) in seen.packets.iter().zip(sent) {
        assert_eq!((seen.0, seen.1, &seen.2[..]), (0, ORIGIN + sent.at.as_nanos(), &sent.bytes[..]));
    }
}

#[test]
fn changes_of_state_are_comments() {
    let seen = read(&file(&[("four-way", &four_way())]));
    let comments: Vec<String> = seen.packets.iter().map(|packet| packet.3.join("; ")).collect();
    let wanted = [
        "client: CLOSED -> SYN-SENT; server: LISTEN -> SYN-RECEIVED (on arrival, 10 ms later)",
        "client: SYN-SENT -> ESTABLISHED (on arrival, 10 ms later)",
        "server: SYN-RECEIVED -> ESTABLISHED (on arrival, 10 ms later)",
        "",
        "",
        "client: ESTABLISHED -> FIN-WAIT-1; server: ESTABLISHED -> CLOSE-WAIT (on arrival, 10 ms later)",
        "client: FIN-WAIT-1 -> FIN-WAIT-2 (on arrival, 10 ms later)",
        "server: CLOSE-WAIT -> LAST-ACK; client: FIN-WAIT-2 -> TIME-WAIT (on arrival, 10 ms later)",
        "server: LAST-ACK -> CLOSED (on arrival, 10 ms later)",
    ];
    assert_eq!(comments, wanted);
    let unseen = "server: CLOSED -> LISTEN (at 0 ms, no packet); client: TIME-WAIT -> CLOSED (at 60.085 s, no packet)";
    assert_eq!(seen.interfaces, [("four-way".into(), "a \"story\"".into(), vec![unseen.into()])]);
}

#[test]
fn a_fin_that_waits_for_data_and_one_behind_data() {
    let mut story = Story::begin(State::Established);
    story.app(Left, "close").state(Left, State::FinWait1).send(Left, ACK, 1, 1, 9).lose(Left, ACK, 10, 1, 9);
    story.at(5).send(Left, FIN_ACK, 19, 1, 0).at(300).repeat(Left, ACK, 10, 1, 9);
    story.at(310).state(Right, State::CloseWait);
    let seen = read(&file(&[("fin", &story)]));
    let comments: Vec<String> = seen.packets.iter().map(|packet| packet.3.join("; ")).collect();
    let wanted = [
        "",
        "lost on the wire",
        "client: ESTABLISHED -> FIN-WAIT-1 (5 ms before)",
        "server: ESTABLISHED -> CLOSE-WAIT (on arrival, 10 ms later)",
    ];
    assert_eq!(comments, wanted);
}

#[test]
fn losses_and_resets_are_comments() {
    let seen = read(&file(&[("lost-fin", &lost_fin()), ("reset", &reset())]));
    let comments: Vec<String> = seen.packets.iter().map(|packet| packet.3.join("; ")).collect();
    let wanted = [
        "client: ESTABLISHED -> FIN-WAIT-1; lost on the wire",
        "server: ESTABLISHED -> CLOSE-WAIT (on arrival, 10 ms later)",
        "server: CLOSE-WAIT -> LAST-ACK; client: FIN-WAIT-1 -> TIME-WAIT (on arrival, 10 ms later)",
        "lost on the wire",
        "",
        "server: LAST-ACK -> CLOSED (on arrival, 10 ms later)",
        "",
        "client: ESTABLISHED -> CLOSED; server: ESTABLISHED -> CLOSED (on arrival, 10 ms later)",
        "",
    ];
    assert_eq!(comments, wanted);
}

#[test]
fn runs_follow_each_other_in_time() {
    let (first, second) = (four_way(), simultaneous());
    let seen = read(&file(&[("one", &first), ("two", &second)]));
    let names: Vec<&str> = seen.interfaces.iter().map(|interface| interface.0.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert!(seen.packets.is_sorted_by_key(|packet| packet.1));
    let begin = seen.packets.iter().find(|packet| packet.0 == 1).unwrap().1;
    assert_eq!(begin, ORIGIN + 61_000_000_000, "the first ends after 60.085 s");
}

#[test]
fn nothing_in_it_and_texts_of_any_length() {
    assert!(read(&pcapng(&[], 0)).packets.is_empty());
    let mut story = four_way();
    story.trace.ends[0] = End { name: "é".repeat(70_000), ..story.trace.ends[0].clone() };
    let title = "漢".repeat(70_000);
    let seen = read(&pcapng(&[Run { name: &title, title: &title, trace: &story.trace }], u64::MAX));
    assert!(seen.packets.iter().all(|packet| packet.1 == u64::MAX));
    let quiet = Trace { packets: Vec::new(), ..story.trace.clone() };
    assert!(read(&pcapng(&[Run { name: "", title: "", trace: &quiet }], 0)).packets.is_empty());
}

#[test]
fn the_packets_of_the_stories_are_sound() {
    for story in [four_way(), lost_fin(), reset(), simultaneous()] {
        for packet in &story.trace.packets {
            let datagram = Datagram::parse(&packet.bytes).unwrap();
            assert!(adieu_core::wire::Segment::parse(datagram.body, &Packet::new(&packet.bytes)).is_some());
        }
    }
}
