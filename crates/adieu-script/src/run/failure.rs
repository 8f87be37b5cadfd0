//! Why a script does not hold.

use adieu_trace::Trace;

use crate::ast::Span;
use crate::error::ScriptError;

/// Why a script does not hold, or cannot be run.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind of failure.
    pub kind: Kind,
    /// Where in the script.
    pub span: Span,
    /// In one sentence.
    pub message: String,
    /// What the script expects.
    pub expected: Option<String>,
    /// What came instead.
    pub got: Option<String>,
    /// What to do.
    pub help: Option<String>,
    /// What happened up to then.
    pub trace: Option<Trace>,
}

/// Kinds of failures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The script needs what the stack does not have yet.
    NotBuilt,
    /// The script says what has no meaning here.
    Meaning,
    /// No packet where one is expected.
    NoPacket,
    /// Another packet than expected.
    Packet,
    /// A packet that no line expects.
    Unexpected,
    /// At the wrong time.
    Time,
    /// Another result of a call than expected.
    Result,
    /// A call that blocks and should not.
    Blocks,
    /// An assertion that does not hold.
    Assertion,
    /// What is tested cannot be set up here, or has failed as no TCP does.
    Host,
}

impl Kind {
    /// Stable, for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotBuilt => "not-built",
            Self::Meaning => "meaning",
            Self::NoPacket => "no-packet",
            Self::Packet => "packet",
            Self::Unexpected => "unexpected-packet",
            Self::Time => "time",
            Self::Result => "result",
            Self::Blocks => "blocks",
            Self::Assertion => "assertion",
            Self::Host => "host",
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: Kind, span: Span, message: impl Into<String>) -> Box<Self> {
        let message = message.into();
        Box::new(Self { kind, span, message, expected: None, got: None, help: None, trace: None })
    }

    pub(crate) fn not_built(span: Span, what: &str) -> Box<Self> {
        Self::new(Kind::NotBuilt, span, format!("not built: {what}"))
    }

    pub(crate) fn meaning(span: Span, message: impl Into<String>) -> Box<Self> {
        Self::new(Kind::Meaning, span, message)
    }

    pub(crate) fn expected(mut self: Box<Self>, what: impl Into<String>) -> Box<Self> {
        self.expected = Some(what.into());
        self
    }

    pub(crate) fn got(mut self: Box<Self>, what: impl Into<String>) -> Box<Self> {
        self.got = Some(what.into());
        self
    }

    pub(crate) fn help(mut self: Box<Self>, what: impl Into<String>) -> Box<Self> {
        self.help = Some(what.into());
        self
    }

    /// As a diagnostic that shows the script's line.
    pub fn diagnostic(&self) -> ScriptError {
        let label = match (&self.expected, &self.got) {
            (Some(expected), Some(got)) => format!("expected {expected}, got {got}"),
            (Some(expected), None) => format!("expected {expected}"),
            (None, Some(got)) => format!("got {got}"),
            (None, None) => "here".into(),
        };
        let error = ScriptError::new(self.span, self.message.clone(), label);
        match &self.help {
            Some(help) => error.with_help(help.clone()),
            None => error,
        }
    }
}
