//! Names that the caller defines for a script.

use std::collections::BTreeMap;

use crate::run::Family;

use super::cursor::{word_begins, word_length};

/// What `-D NAME` and `-D NAME=VALUE` define. It comes from whoever runs the script, not from the script: a value is
/// put in at every place where its name stands, and its length is not limited.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Defines {
    names: BTreeMap<String, Option<String>>,
}

/// An argument of `-D` that defines nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected NAME or NAME=VALUE with a name of letters, digits and underscores, found `{argument}`")]
pub struct DefineError {
    /// As it was given.
    pub argument: String,
}

impl Defines {
    /// Nothing is defined.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Defines `name`. A later definition replaces the one before.
    pub fn insert(&mut self, name: impl Into<String>, value: Option<String>) {
        self.names.insert(name.into(), value);
    }

    /// Defines what the argument of `-D` says: `NAME` or `NAME=VALUE`.
    ///
    /// # Errors
    ///
    /// The name is not a word.
    pub fn add(&mut self, argument: &str) -> Result<(), DefineError> {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument, None),
        };
        if !word_begins(name) || word_length(name) != name.len() {
            return Err(DefineError { argument: argument.to_owned() });
        }
        self.insert(name, value);
        Ok(())
    }

    /// The same with `IPV4` or `IPV6` defined, for what one script must say of both; IPv4 where nothing decides.
    #[must_use]
    pub fn over(&self, family: Option<Family>) -> Self {
        let name = match family {
            None | Some(Family::Ipv4) => "IPV4",
            Some(Family::Ipv6) => "IPV6",
        };
        let mut defines = self.clone();
        defines.insert(name, None);
        defines
    }

    /// Whether `#ifdef name` holds.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// What stands in for `name`.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.names.get(name)?.as_deref()
    }
}
