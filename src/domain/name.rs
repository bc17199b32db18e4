//! File names and content types as clients declare them: checked once at the door, stored as given.
//!
//! A name is never a path: no user's name becomes part of an object key or of anything on disk.

use std::fmt;
use std::str::FromStr;

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Empty, or `.` or `..`.
    #[error("a file needs a name")]
    Empty,
    /// Over [`FileName::MAX_BYTES`].
    #[error("a file name has at most 255 bytes of UTF-8")]
    TooLong,
    /// `/`, NUL, newlines and other control characters.
    #[error("a file name has no slash and no control characters")]
    Forbidden,
}

/// A file's name without any path, 1 to 255 bytes of UTF-8, no slash, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileName(String);

impl FileName {
    /// The limit of every common file system.
    pub const MAX_BYTES: usize = 255;

    /// What a file is called whose client gave it no name.
    #[must_use]
    pub fn nameless() -> Self {
        Self("upload".to_owned())
    }

    /// Whether nobody has given it a name.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        *self == Self::nameless()
    }

    /// A name from whatever a client believes to be one, a path at worst: its last word, without control characters, cut
    /// to [`Self::MAX_BYTES`].
    ///
    /// # Errors
    /// [`BadName::Empty`] if nothing is left that a file can be called.
    pub fn salvage(text: &str) -> Result<Self, BadName> {
        let last = text.rsplit('/').find(|word| !word.is_empty()).unwrap_or_default();
        let mut name: String = last.chars().filter(|c| !c.is_control()).collect();
        name.truncate(name.floor_char_boundary(Self::MAX_BYTES));
        name.parse()
    }

    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FileName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text {
            "" | "." | ".." => Err(BadName::Empty),
            _ if text.len() > Self::MAX_BYTES => Err(BadName::TooLong),
            _ if text.chars().any(|c| c == '/' || c.is_control()) => Err(BadName::Forbidden),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is no media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a content type is written like image/png, in at most 255 visible ASCII characters")]
pub struct BadMediaType;

/// A media type (RFC 9110 §8.3.1): `type/subtype` and parameters, at most 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType(String);

impl MediaType {
    /// What is said of bytes that nobody could name.
    #[must_use]
    pub fn octet_stream() -> Self {
        Self("application/octet-stream".to_owned())
    }

    /// The type as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `type/subtype` in lower case, without parameters.
    #[must_use]
    pub fn essence(&self) -> String {
        self.0.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Whether a browser may show it in place: rasters, sound, film and plain text cannot run anything.
    /// SVG and HTML can, and PDF viewers have.
    #[must_use]
    pub fn is_inert(&self) -> bool {
        const INERT: [&str; 9] = [
            "image/png",
            "image/jpeg",
            "image/gif",
            "image/webp",
            "image/avif",
            "image/bmp",
            "image/x-icon",
            "image/tiff",
            "text/plain",
        ];
        let essence = self.essence();
        essence.starts_with("audio/") || essence.starts_with("video/") || INERT.contains(&essence.as_str())
    }
}

impl FromStr for MediaType {
    type Err = BadMediaType;

    fn from_str(text: &str) -> Result<Self, BadMediaType> {
        let token = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        let visible = text.len() <= 255 && text.bytes().all(|b| (0x20..0x7f).contains(&b));
        let essence = text.split(';').next().unwrap_or_default().trim();
        match essence.split_once('/') {
            Some((kind, subtype)) if visible && token(kind) && token(subtype) => Ok(Self(text.trim().to_owned())),
            _ => Err(BadMediaType),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Media types that are welcome: one of them, or all of a kind (`image/*`). Without parameters, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypePattern(MediaType);

impl TypePattern {
    /// The pattern in text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it covers this type.
    #[must_use]
    pub fn covers(&self, media_type: &MediaType) -> bool {
        let essence = media_type.essence();
        match self.as_str().strip_suffix("/*") {
            Some("*") => true,
            Some(kind) => essence.split('/').next() == Some(kind),
            None => essence == self.as_str(),
        }
    }
}

impl FromStr for TypePattern {
    type Err = BadMediaType;

    fn from_str(text: &str) -> Result<Self, BadMediaType> {
        let essence = text.parse::<MediaType>()?.essence();
        let wild = |part: &str| part.contains('*');
        let (kind, subtype) = essence.split_once('/').ok_or(BadMediaType)?;
        // A wildcard stands for the whole subtype, and for the type only together with that.
        let sound = (!wild(kind) || essence == "*/*") && (!wild(subtype) || subtype == "*");
        if sound { essence.parse().map(Self) } else { Err(BadMediaType) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_a_type_or_a_kind() {
        let covers = |pattern: &str, of: &str| pattern.parse::<TypePattern>().unwrap().covers(&of.parse().unwrap());
        assert!(covers("image/*", "image/PNG; a=b") && covers("Image/png", "image/png") && covers("*/*", "a/b"));
        assert!(
            !covers("image/*", "video/mp4") && !covers("image/png", "image/jpeg") && !covers("image/*", "images/x")
        );
        for bad in ["", "image", "*", "*/png", "image/p*", "im*/png", "image/"] {
            assert!(bad.parse::<TypePattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn any_script_is_welcome_up_to_255_bytes() {
        for name in ["a", "weird \"quoted\" 'name'; x=y.bin", "Ωμέγα 漢字 🦀.tar.gz", "..hidden", &"é".repeat(127)]
        {
            assert_eq!(name.parse::<FileName>().unwrap().as_str(), name);
        }
        assert_eq!("é".repeat(128).parse::<FileName>(), Err(BadName::TooLong));
    }

    #[test]
    fn paths_and_control_characters_are_not() {
        for name in ["../../etc/passwd", "a/b", "new\nline", "nul\0", "tab\t", "\u{85}"] {
            assert_eq!(name.parse::<FileName>(), Err(BadName::Forbidden), "{name:?}");
        }
        for name in ["", ".", ".."] {
            assert_eq!(name.parse::<FileName>(), Err(BadName::Empty));
        }
    }

    #[test]
    fn what_can_be_kept_of_a_name_is() {
        for (given, kept) in [("a/b/c.txt", "c.txt"), ("dir/", "dir"), ("x\u{0}y", "xy"), ("plain", "plain")] {
            assert_eq!(FileName::salvage(given).unwrap().as_str(), kept, "{given:?}");
        }
        assert_eq!(FileName::salvage(&"ü".repeat(300)).unwrap().as_str().len(), 254);
        for nothing in ["", "/", "../..", "\u{0}", "a/."] {
            assert_eq!(FileName::salvage(nothing), Err(BadName::Empty), "{nothing:?}");
        }
    }

    #[test]
    fn media_types() {
        for good in ["image/png", "text/plain; charset=utf-8", "application/vnd.api+json"] {
            assert!(good.parse::<MediaType>().is_ok(), "{good}");
        }
        for bad in ["", "png", "image/", "/png", "a b/c", "text/plain\r\nx: y", "image/ü"] {
            assert!(bad.parse::<MediaType>().is_err(), "{bad:?}");
        }
        assert!("Video/MP4; codecs=x".parse::<MediaType>().unwrap().is_inert());
        assert!(!"image/svg+xml".parse::<MediaType>().unwrap().is_inert());
    }
}
