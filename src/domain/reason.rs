//! Error reasons in plain words: without type names, debug output or error numbers of the operating system.

use std::error::Error;

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

    #[test]
    fn the_innermost_cause_speaks() {
        let outer = std::io::Error::other(std::io::Error::from_raw_os_error(13));
        assert_eq!(innermost_cause(&outer), "Permission denied");
    }
}
