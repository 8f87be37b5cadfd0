//! A world that breaks a promise panics, and is told of later: the panic itself says nothing on standard error.

use std::cell::RefCell;
use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::Arc;

use adieu_sim::swarm::is_judging;

thread_local! {
    /// Where this thread's last world panicked.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// As long as it is there, panics of worlds are silent. All others are not.
pub(super) struct Quiet(Arc<Hook>);

impl Quiet {
    pub(super) fn new() -> Self {
        let before: Arc<Hook> = Arc::from(take_hook());
        let other = Arc::clone(&before);
        set_hook(Box::new(move |info| {
            if is_judging() {
                PLACE.set(info.location().map(ToString::to_string));
            } else {
                other(info);
            }
        }));
        Self(before)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // In a panic of our own no hook can be set.
        if !std::thread::panicking() {
            let before = Arc::clone(&self.0);
            set_hook(Box::new(move |info| before(info)));
        }
    }
}

/// Where in the code the last world of this thread broke its promise.
pub(super) fn place() -> Option<String> {
    PLACE.take()
}
