//! What is wrong with a script, and where.

use crate::ast::Span;

impl From<Span> for miette::SourceSpan {
    fn from(span: Span) -> Self {
        (span.start, span.end.saturating_sub(span.start)).into()
    }
}

/// A script that does not say what it means. It renders with the text beside it once the caller adds that text:
/// `miette::Report::new(error).with_source_code(..)`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
pub struct ScriptError {
    /// What is wrong, in one sentence, with what was expected.
    pub message: String,
    /// Where, in bytes of the script's text.
    #[label("{label}")]
    pub span: Span,
    /// What stands beside the place.
    pub label: String,
    /// Where the bracket, the comment or the condition begins that the error is about.
    #[label("begins here")]
    pub begins: Option<Span>,
    /// What to write instead.
    #[help]
    pub help: Option<String>,
}

impl ScriptError {
    /// An error at `span`, with `label` beside that place.
    pub fn new(span: Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { message: message.into(), span, label: label.into(), begins: None, help: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// The same with the place where what it is about begins.
    #[must_use]
    pub fn with_begin(self, span: Span) -> Self {
        Self { begins: Some(span), ..self }
    }
}
