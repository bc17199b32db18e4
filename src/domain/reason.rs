//! Error reasons in plain words: without type names, debug output or error numbers of the operating system.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Cause of a failure, for logs: an error with its own sources, or a text. A clone shares the error.
#[derive(Clone, Debug)]
pub struct FailureCause(CauseKind);

#[derive(Clone, Debug)]
enum CauseKind {
    Text(Cow<'static, str>),
    Error(Arc<dyn Error + Send + Sync>),
}

/// A text about the error behind it.
#[derive(Debug)]
struct DescribedError {
    text: Cow<'static, str>,
    source: Box<dyn Error + Send + Sync>,
}

impl FailureCause {
    /// An error as the cause; it must not contain secrets.
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self(CauseKind::Error(Arc::new(error)))
    }

    /// A text about the error behind it; neither may contain secrets.
    pub fn with(text: impl Into<Cow<'static, str>>, error: impl Error + Send + Sync + 'static) -> Self {
        Self::of(DescribedError { text: text.into(), source: Box::new(error) })
    }
}

impl fmt::Display for FailureCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            CauseKind::Text(text) => f.write_str(text),
            CauseKind::Error(error) => error.fmt(f),
        }
    }
}

impl Error for FailureCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            CauseKind::Text(_) => None,
            CauseKind::Error(error) => error.source(),
        }
    }
}

impl fmt::Display for DescribedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for DescribedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.source.as_ref())
    }
}

impl From<&'static str> for FailureCause {
    fn from(text: &'static str) -> Self {
        Self(CauseKind::Text(text.into()))
    }
}

impl From<String> for FailureCause {
    fn from(text: String) -> Self {
        Self(CauseKind::Text(text.into()))
    }
}

/// Causes are equal if their chains read the same.
impl PartialEq for FailureCause {
    fn eq(&self, other: &Self) -> bool {
        chain(self).to_string() == chain(other).to_string()
    }
}

impl Eq for FailureCause {}

/// The error and its sources as they are printed in a log line.
pub struct ErrorChain<'a>(&'a (dyn Error + 'a));

/// An error and its sources in a single line: `outer: inner: innermost`. A source whose text the line has already is
/// left out.
pub fn chain<'a>(error: &'a (dyn Error + 'a)) -> ErrorChain<'a> {
    ErrorChain(error)
}

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.0.to_string();
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !line.contains(&text) {
                line = format!("{line}: {text}");
            }
            source = error.source();
        }
        f.write_str(&line)
    }
}

/// The innermost cause of an error, which has the most specific text: `connection refused`.
#[must_use]
pub fn innermost_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    plain_words(&cause.to_string())
}

/// Removes the error number from a text of the standard library: `Connection refused (os error 111)`.
#[must_use]
pub fn plain_words(text: &str) -> String {
    let mut plain = text.to_owned();
    while let Some(from) = plain.find(" (os error ")
        && let Some(len) = plain[from..].find(')')
    {
        plain.replace_range(from..=from + len, "");
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_are_left_out() {
        assert_eq!(plain_words("Connection refused (os error 111)"), "Connection refused");
        assert_eq!(plain_words("a (os error 2), b (os error 13)!"), "a, b!");
        assert_eq!(plain_words("nothing (os error"), "nothing (os error");
    }

    #[derive(Debug, thiserror::Error)]
    enum SampleError {
        #[error("not possible just now")]
        Busy(#[source] FailureCause),
        #[error("the file cannot be read: {0}")]
        Telling(#[source] std::io::Error),
    }

    #[test]
    fn a_line_has_every_link_of_the_chain_once() {
        let refused = || std::io::Error::other(std::io::Error::other("connection refused"));
        assert_eq!(chain(&SampleError::Busy("no memory".into())).to_string(), "not possible just now: no memory");
        let cause = FailureCause::with("the store is away", SampleError::Telling(refused()));
        let busy = SampleError::Busy(cause.clone());
        assert_eq!(busy.to_string(), "not possible just now");
        let line = "not possible just now: the store is away: the file cannot be read: connection refused";
        assert_eq!(chain(&busy).to_string(), line);
        assert_eq!(cause, FailureCause::from(line.replace("not possible just now: ", "")));
        assert_eq!(FailureCause::of(busy).to_string(), "not possible just now");
    }

    #[test]
    fn the_innermost_cause_speaks() {
        let outer = std::io::Error::other(std::io::Error::from_raw_os_error(13));
        assert_eq!(innermost_cause(&outer), "Permission denied");
    }
}
