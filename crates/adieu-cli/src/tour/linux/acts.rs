//! What applications do at either end.

use std::io;

use adieu::{Direction, State};
use adieu_sim::Forged;
use adieu_trace::Side;

use super::ends::End;
use super::stage::{Stage, plain};
use crate::output::grouped;

impl Stage {
    pub(super) async fn say(&mut self, side: Side, words: &[u8]) -> bool {
        self.note(side, format!("write {:?}", String::from_utf8_lossy(words)));
        self.write(side, words).await
    }

    /// Whether all was taken by the end's own TCP.
    pub(super) async fn write(&mut self, side: Side, bytes: &[u8]) -> bool {
        let Some(mut end) = self.ends[side as usize].take() else { return false };
        let written = self.watched(end.write(bytes)).await;
        self.ends[side as usize] = Some(end);
        self.look();
        self.keep_error(side, written)
    }

    /// Waits for words, and reads them.
    pub(super) async fn hear(&mut self, side: Side) -> Vec<u8> {
        let Some(mut end) = self.ends[side as usize].take() else { return Vec::new() };
        let mut buffer = vec![0; 64 * 1024];
        let read = self.watched(end.read(&mut buffer)).await;
        self.ends[side as usize] = Some(end);
        if let Some(Ok(length)) = read {
            buffer.truncate(length);
            self.note(side, format!("read {:?}", String::from_utf8_lossy(&buffer)));
        } else {
            buffer.clear();
        }
        self.look();
        self.keep_error(side, read);
        buffer
    }

    /// Reads all up to the end of the stream.
    pub(super) async fn hear_all(&mut self, side: Side) -> Vec<u8> {
        let Some(mut end) = self.ends[side as usize].take() else { return Vec::new() };
        let read = self.watched(end.read_to_end()).await;
        self.ends[side as usize] = Some(end);
        self.look();
        let Some(Ok(all)) = read else { return Vec::new() };
        self.note(side, format!("read {} bytes, then end of stream", grouped(all.len())));
        all
    }

    /// Waits for the end of the stream; whether it came, and nothing before it.
    pub(super) async fn hear_end(&mut self, side: Side) -> bool {
        let Some(mut end) = self.ends[side as usize].take() else { return false };
        let read = self.watched(end.read(&mut [0; 1])).await;
        self.ends[side as usize] = Some(end);
        let ended = matches!(read, Some(Ok(0)));
        if ended {
            self.note(side, "read: end of stream");
        }
        self.look();
        self.keep_error(side, read);
        ended
    }

    /// Waits until the end's application is told that the connection has failed; whether it was.
    pub(super) async fn hear_error(&mut self, side: Side) -> bool {
        let Some(mut end) = self.ends[side as usize].take() else { return false };
        let read = self.watched(end.read_to_end()).await;
        self.ends[side as usize] = Some(end);
        self.look();
        match read {
            Some(Err(error)) => {
                self.note(side, format!("error: {}", plain(&error)));
                self.keep_error::<()>(side, Some(Err(error)));
                true
            }
            Some(Ok(_)) | None => false,
        }
    }

    /// One end says "hello", the other hears it, and the first knows that it has.
    pub(super) async fn greet(&mut self, from: Side) {
        self.say(from, b"hello").await;
        self.hear(from.other()).await;
        self.acknowledged(from).await;
    }

    /// Waits until all that an end has sent is acknowledged.
    pub(super) async fn acknowledged(&mut self, side: Side) -> bool {
        let done = self
            .until(|stage| match side == stage.adieu {
                true => stage.net.held().bytes == 0,
                false => stage.watch.seen().socket().is_none_or(|socket| socket.unacknowledged == 0),
            })
            .await;
        self.pause().await;
        done
    }

    /// Much data from one end to the other; whether all came, and nothing else.
    pub(super) async fn pour(&mut self, from: Side, bytes: usize) -> bool {
        let data: Vec<u8> = (0..=250).cycle().take(bytes).collect();
        let [near, far] = [from, from.other()].map(|side| self.ends[side as usize].take());
        let (Some(mut near), Some(mut far)) = (near, far) else { return false };
        self.note(from, format!("write {} bytes", grouped(bytes)));
        let mut got = vec![0; bytes];
        let read = async {
            let mut length = 0;
            while length < bytes {
                match far.read(&mut got[length..]).await? {
                    0 => break,
                    more => length += more,
                }
            }
            Ok::<_, io::Error>(length)
        };
        let both = self.watched(async { tokio::try_join!(near.write(&data), read) }).await;
        let whole = matches!(both, Some(Ok(((), length))) if length == bytes) && got == data;
        self.note(from.other(), format!("read {} bytes", grouped(bytes)));
        self.ends[from as usize] = Some(near);
        self.ends[from.other() as usize] = Some(far);
        self.acknowledged(from).await;
        whole
    }

    pub(super) async fn shut_down(&mut self, side: Side) {
        self.note(side, "shutdown: no more to say");
        if let Some(end) = &mut self.ends[side as usize] {
            let _ = end.shut_down().await;
        }
        self.look();
    }

    /// Full close: nobody holds this end any more.
    pub(super) fn close(&mut self, side: Side) {
        self.note(side, "close");
        self.ends[side as usize] = None;
        self.look();
    }

    /// Reset.
    pub(super) fn abort(&mut self, side: Side) {
        self.note(side, if side == self.adieu { "abort" } else { "close with linger 0 s: abort" });
        if let Some(End::Adieu(stream)) = &self.ends[side as usize] {
            stream.abort();
        }
        if let Some(end @ End::Linux(_)) = self.ends[side as usize].take() {
            end.set_zero_linger();
        }
        self.look();
    }

    pub(super) fn end(&self, side: Side) -> Option<&End> {
        self.ends[side as usize].as_ref()
    }

    /// An end whose application goes on elsewhere.
    pub(super) fn take_end(&mut self, side: Side) -> Option<End> {
        self.ends[side as usize].take()
    }

    /// Lets what the wire holds back go on, and nothing more be held.
    pub(super) fn release_held(&mut self) {
        self.watch.seen().no_more_rules();
        self.injector.release();
        self.look();
    }

    /// The four-way goodbye: one end closes its direction, the other reads to the end and closes its own.
    pub(super) async fn part(&mut self, first: Side) {
        let second = first.other();
        self.shut_down(first).await;
        self.hear_end(second).await;
        self.reaches(first, State::FinWait2).await;
        self.pause().await;
        self.close(second);
        self.hear_end(first).await;
        self.reaches(second, State::Closed).await;
        self.close_silently(first);
    }

    /// Lets go of an end whose directions are both complete: that changes nothing.
    pub(super) fn close_silently(&mut self, side: Side) {
        self.ends[side as usize] = None;
        self.look();
    }

    /// A segment that nobody has sent, as if from this end. Numbers count from the initial ones.
    pub(super) fn forge(&mut self, from: Side, forged: &Forged<'_>) {
        let Some(packet) = self.watch.seen().forge(from, forged) else { return };
        let direction = if from == self.adieu { Direction::Out } else { Direction::In };
        let _ = self.injector.inject(direction, &packet);
        self.look();
    }
}
