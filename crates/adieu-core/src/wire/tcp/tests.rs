use super::*;
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Option<Segment<'_>> {
    Segment::parse(bytes, &Packet::new(bytes))
}

fn header(mss: Option<u16>) -> Header {
    Header {
        seq: Seq(0xffff_fff0),
        ack: Some(Seq(7)),
        control: Control::Fin,
        push: true,
        ece: true,
        cwr: true,
        window: 512,
        urgent: None,
        options: Options { mss, ..Options::default() },
    }
}

#[test]
fn m4_what_is_emitted_is_what_is_parsed() {
    for mss in [None, Some(1460)] {
        let header = header(mss);
        let mut bytes = [0xaa; 40];
        header.emit(1, 2, &mut bytes);
        let segment = parse(&bytes).unwrap();
        assert_eq!((segment.source, segment.destination, segment.seq, segment.ack), (1, 2, header.seq, Seq(7)));
        assert_eq!((segment.flags, segment.window, segment.options.mss), (header.flags(), 512, mss));
        assert_eq!(segment.payload.len(), 40 - header.size());
        assert_eq!(segment.end(), header.seq + u32::try_from(40 - header.size()).unwrap() + 1);
    }
}

#[test]
fn m64_options_need_no_alignment_and_m6_unknown_ones_are_skipped() {
    let options = |bytes: &[u8]| Options::parse(bytes).map(|o| o.mss);
    assert_eq!(options(&[1, 2, 4, 5, 180]), Some(Some(1460)));
    for kind in 9..=253 {
        assert_eq!(options(&[kind, 3, 9, 2, 4, 2, 24]), Some(Some(536)));
    }
    assert_eq!(options(&[0, 2, 4, 5, 180]), Some(None));
}

#[test]
fn m7_an_illegal_option_length_drops_the_segment() {
    for bytes in [&[2, 0, 5, 180][..], &[2, 1, 5, 180], &[2, 5, 5, 180], &[2], &[200, 0]] {
        assert_eq!(Options::parse(bytes), None, "{bytes:?}");
    }
    // A length that is legal but not this option's is another option's business: ignored.
    assert_eq!(Options::parse(&[2, 3, 5, 1]), Some(Options::default()));
}

#[test]
fn a_header_cut_short_is_no_segment() {
    let mut bytes = [0; 24];
    header(Some(1)).emit(1, 2, &mut bytes);
    for length in 0..24 {
        assert!(parse(&bytes[..length]).is_none(), "{length}");
    }
    bytes[12] = 4 << 4; // data offset below the header's own size
    assert!(parse(&bytes).is_none());
}

proptest! {
    #[test]
    fn any_bytes_parse_or_do_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Some(segment) = parse(&bytes) {
            prop_assert!(segment.payload.len() + HEADER <= bytes.len());
        }
    }
}
