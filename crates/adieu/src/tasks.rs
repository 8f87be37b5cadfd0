//! Who waits for what. Wakers live here, not in the core.

use std::task::{Context, Waker};

use adieu_core::{Events, HandleId};

/// The tasks that wait, by handle.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    by_handle: Vec<Waiting>,
}

/// One handle's tasks.
#[derive(Debug, Default)]
struct Waiting {
    read: Option<Waker>,
    write: Option<Waker>,
    /// `finish` and `close`, and others that wait for more than room or bytes.
    end: Vec<Waker>,
    /// Others that wait for news: trouble, or something urgent.
    news: Vec<Waker>,
    /// Trouble was reported that nobody has asked about.
    trouble: bool,
}

/// What a task waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum For {
    Read,
    Write,
    End,
    News,
}

impl Tasks {
    /// Has `context` woken when `what` may have come. One task reads and one writes, as with every tokio stream; any
    /// number wait for the end.
    pub(crate) fn wait(&mut self, handle: HandleId, what: For, context: &Context<'_>) {
        let waiting = self.entry(handle);
        let waker = context.waker();
        let add = |wakers: &mut Vec<Waker>| {
            if !wakers.iter().any(|known| known.will_wake(waker)) {
                wakers.push(waker.clone());
            }
        };
        match what {
            For::Read => waiting.read = Some(waker.clone()),
            For::Write => waiting.write = Some(waker.clone()),
            For::End => add(&mut waiting.end),
            For::News => add(&mut waiting.news),
        }
    }

    /// Whether trouble was reported since this was last asked.
    pub(crate) fn take_trouble(&mut self, handle: HandleId) -> bool {
        self.by_handle.get_mut(handle.number()).is_some_and(|waiting| std::mem::take(&mut waiting.trouble))
    }

    fn entry(&mut self, handle: HandleId) -> &mut Waiting {
        let number = handle.number();
        if self.by_handle.len() <= number {
            self.by_handle.resize_with(number + 1, Waiting::default);
        }
        &mut self.by_handle[number]
    }

    /// Moves the tasks that `events` concern to `awake`.
    pub(crate) fn take(&mut self, handle: HandleId, events: Events, awake: &mut Vec<Waker>) {
        if events.has(Events::TROUBLE) {
            self.entry(handle).trouble = true; // Nobody may be waiting yet.
        }
        let Some(waiting) = self.by_handle.get_mut(handle.number()) else { return };
        let ended = events.has(Events::ENDED);
        if ended || events.has(Events::READABLE) || events.has(Events::PEER_FINISHED) {
            awake.extend(waiting.read.take());
        }
        if ended || events.has(Events::WRITABLE) || events.has(Events::CONNECTED) {
            awake.extend(waiting.write.take());
        }
        if ended || events.has(Events::FINISHED) || events.has(Events::CONNECTED) {
            awake.append(&mut waiting.end);
        }
        if ended || events.has(Events::TROUBLE) || events.has(Events::URGENT) {
            awake.append(&mut waiting.news);
        }
    }

    /// The handle is gone.
    pub(crate) fn forget(&mut self, handle: HandleId) {
        if let Some(waiting) = self.by_handle.get_mut(handle.number()) {
            *waiting = Waiting::default();
        }
    }

    /// Moves every task to `awake`: nothing will happen any more.
    pub(crate) fn take_all(&mut self, awake: &mut Vec<Waker>) {
        for waiting in self.by_handle.drain(..) {
            awake.extend(waiting.read.into_iter().chain(waiting.write).chain(waiting.end).chain(waiting.news));
        }
    }
}
