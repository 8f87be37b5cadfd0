//! A program of ours ends, and with it all its connections.

use std::io;
use std::time::Duration;

use adieu::{Flow, Receipt};

use super::ends::End;
use super::stage::{CLIENT, Stage};

/// Written in the last moment on one of the connections.
const LAST: usize = 100_000;

/// Further connections of the program, and how they end.
const LINES: &[(&str, &str)] = &[
    ("half-closed by adieu", "graceful-local-first"),
    ("half-closed by Linux", "graceful-peer-first"),
    ("4 bytes unread", "aborted-close-with-unread"),
    ("100,000 bytes just written", "graceful-local-first"),
];

/// One of the program's connections.
struct Line {
    what: &'static str,
    ending: &'static str,
    flow: Option<Flow>,
}

pub(super) async fn program_exit(stage: &mut Stage) {
    stage.establish().await;
    stage.greet(CLIENT).await;
    let flow = stage.watch.seen().flow();
    let mut lines = vec![Line { what: "idle", ending: "graceful-local-first", flow }];
    let mut ours = Vec::new();
    let mut theirs: Vec<End> = stage.take_end(stage.linux()).into_iter().collect();
    for (what, ending) in LINES {
        let Some((mut near, mut far)) = stage.another().await else {
            return stage.check(format!("{what}: established"), false);
        };
        let done = match *what {
            "half-closed by adieu" => near.shut_down().await,
            "half-closed by Linux" => far.shut_down().await,
            "4 bytes unread" => far.write(b"news").await,
            _ => near.write(&[b'.'; LAST]).await,
        };
        stage.check(format!("{what}: staged"), done.is_ok());
        lines.push(Line { what, ending, flow: near.flow() });
        ours.push(near);
        theirs.push(far);
    }
    stage.pause().await;
    let answers: Vec<_> = theirs.into_iter().map(|end| tokio::spawn(answer(end))).collect();
    stage.note(stage.adieu, "exit: close everything");
    let net = stage.net.clone();
    let receipts = stage.watched(net.drain(Duration::from_secs(5))).await.unwrap_or_default();
    for line in &lines {
        stage.check(format!("{}: {}", line.what, line.ending), line.ended(&receipts));
    }
    stage.keep_receipts(receipts);
    let mut got = Vec::new();
    for answer in answers {
        got.push(answer.await.ok().and_then(Result::ok).map(|bytes| bytes.len()));
    }
    stage.check("Linux's applications read every byte that was written before, then the end of the stream", {
        got == [Some(0), Some(0), Some(0), None, Some(LAST)]
    });
}

/// Reads to the end, then closes.
async fn answer(mut end: End) -> io::Result<Vec<u8>> {
    end.read_to_end().await
}

impl Line {
    fn ended(&self, receipts: &[(Flow, Receipt)]) -> bool {
        let of = receipts.iter().find(|(flow, _)| Some(*flow) == self.flow);
        of.is_some_and(|(_, receipt)| receipt.ending.name() == self.ending)
    }
}
