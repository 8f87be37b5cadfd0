//! Whether a host's program runs.

use std::collections::VecDeque;

use adieu_core::Instant;

/// What a program that is killed leaves to the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Legacy {
    /// Nothing: it had no time to write anything down.
    Nothing,
    /// Its TIME-WAIT records, as they were when it ended.
    TimeWait,
}

/// How a host's program is.
#[derive(Debug, Default)]
pub(crate) enum Life {
    /// It runs.
    #[default]
    Awake,
    /// It stands still; packets wait for it.
    Suspended {
        until: Instant,
        /// How many may wait.
        room: usize,
        waiting: VecDeque<Vec<u8>>,
    },
    /// There is none; packets to it vanish.
    Dead { until: Instant, records: Option<Vec<u8>> },
}

impl Life {
    pub(crate) fn is_awake(&self) -> bool {
        matches!(self, Self::Awake)
    }

    /// When it runs again.
    pub(crate) fn until(&self) -> Instant {
        match self {
            Self::Awake => Instant::ZERO,
            Self::Suspended { until, .. } | Self::Dead { until, .. } => *until,
        }
    }

    /// A packet comes: `Ok` where the program takes it at once, `Err` with whether it waits.
    pub(crate) fn receive(&mut self, bytes: Vec<u8>) -> Result<Vec<u8>, bool> {
        match self {
            Self::Awake => Ok(bytes),
            Self::Suspended { room, waiting, .. } => {
                let fits = waiting.len() < *room;
                if fits {
                    waiting.push_back(bytes);
                }
                Err(fits)
            }
            Self::Dead { .. } => Err(false),
        }
    }
}
