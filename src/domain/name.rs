//! File names and content types as clients declare them: validated once at the boundary, then stored as given.
//!
//! A name is never a path: no name given by a user becomes part of an object key or of a path on disk.

use std::fmt;
use std::str::FromStr;

use super::media_alias::{is_named, is_of_kind};

/// Reason why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Empty, or `.` or `..`.
    #[error("a file must have a name")]
    Empty,
    /// Longer than [`FileName::MAX_CHARS`].
    #[error("a file name must have at most 255 characters")]
    TooLong,
    /// Contains `/`, NUL, a newline or another control character.
    #[error("a file name must not contain slashes or control characters")]
    Forbidden,
}

/// A file's name without a path: 1 to 255 characters in any script, no slash, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileName(String);

impl FileName {
    /// Longest name in characters, as on file systems that count characters (NTFS, HFS+). File systems that count bytes
    /// (ext4) accept fewer characters of most scripts.
    pub const MAX_CHARS: usize = 255;
    /// Longest name in bytes of UTF-8.
    pub const MAX_BYTES: usize = 4 * Self::MAX_CHARS;

    /// The name of files for which the client gave none.
    #[must_use]
    pub fn nameless() -> Self {
        Self("upload".to_owned())
    }

    /// True if the client gave no name.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        *self == Self::nameless()
    }

    /// Derives a name from what a client sends as a name, even a path: the last segment, without control characters,
    /// shortened to [`Self::MAX_CHARS`] before its extension.
    ///
    /// # Errors
    /// [`BadName::Empty`] if no usable name is left.
    pub fn salvage(text: &str) -> Result<Self, BadName> {
        let last = text.rsplit('/').find(|word| !word.is_empty()).unwrap_or_default();
        let name: String = last.chars().filter(|c| !c.is_control()).collect();
        let surplus = name.chars().count().saturating_sub(Self::MAX_CHARS);
        if surplus == 0 {
            return name.parse();
        }
        let (stem, extension) = split_extension(&name);
        let kept: String = stem.chars().take(stem.chars().count().saturating_sub(surplus)).collect();
        format!("{kept}{extension}").parse()
    }

    /// The name as given.
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
            _ if text.chars().count() > Self::MAX_CHARS => Err(BadName::TooLong),
            _ if text.chars().any(|c| c == '/' || c.is_control()) => Err(BadName::Forbidden),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// Longest extension in bytes, including its dot: a longer suffix is part of the name.
const MAX_EXTENSION_BYTES: usize = 32;

/// Splits a name into stem and extension, with the dot; `.tar.gz` and the like are a single extension. A name whose
/// only dot is its first character has no extension.
#[must_use]
pub fn split_extension(name: &str) -> (&str, &str) {
    let last = |text: &str| text.rfind('.').filter(|dot| *dot > 0);
    let Some(mut dot) = last(name) else { return (name, "") };
    if let Some(outer) = last(&name[..dot])
        && name[outer..dot].eq_ignore_ascii_case(".tar")
    {
        dot = outer;
    }
    if name.len() - dot > MAX_EXTENSION_BYTES { (name, "") } else { name.split_at(dot) }
}

/// A name of at most `max` bytes of UTF-8, shortened before its extension. The shortened stem does not end with a space
/// or dot.
#[must_use]
pub fn shorten(name: &str, max: usize) -> String {
    if name.len() <= max {
        return name.to_owned();
    }
    let (stem, extension) = split_extension(name);
    let extension = if extension.len() < max { extension } else { "" };
    let kept = &stem[..stem.floor_char_boundary(max - extension.len())];
    format!("{}{extension}", kept.trim_end_matches([' ', '.']))
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a content type is written like image/png, in at most 255 visible ASCII characters")]
pub struct BadMediaType;

/// A media type (RFC 9110 §8.3.1): `type/subtype` and parameters, at most 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType(String);

impl MediaType {
    /// `application/octet-stream`, for bytes of an unknown type.
    #[must_use]
    pub fn octet_stream() -> Self {
        Self("application/octet-stream".to_owned())
    }

    /// `text/plain`, for text of an unknown type.
    #[must_use]
    pub fn plain_text() -> Self {
        Self("text/plain".to_owned())
    }

    /// The type as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `type/subtype` in lower case, without parameters.
    #[must_use]
    pub fn essence(&self) -> String {
        self.0.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// True if a browser may show the type inline: raster images, audio, video and text without executable content are
    /// safe. SVG, HTML, XML and scripts can execute code, and so could PDF viewers.
    #[must_use]
    pub fn is_inert(&self) -> bool {
        const INERT: [&str; 18] = [
            "image/png",
            "image/apng",
            "image/jpeg",
            "image/gif",
            "image/webp",
            "image/avif",
            "image/bmp",
            "image/x-icon",
            "image/vnd.microsoft.icon",
            "image/tiff",
            "text/plain",
            "text/csv",
            "text/tab-separated-values",
            "text/markdown",
            "text/vtt",
            "text/calendar",
            "application/json",
            "application/x-ndjson",
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

/// A pattern of accepted media types: a single type, or all types of a kind (`image/*`). Without parameters, in lower
/// case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypePattern(MediaType);

impl TypePattern {
    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// True if the pattern covers the type under any of its aliases.
    #[must_use]
    pub fn covers(&self, media_type: &MediaType) -> bool {
        self.covers_essence(&media_type.essence())
    }

    /// Like [`Self::covers`], for a type in lower case without parameters.
    #[must_use]
    pub fn covers_essence(&self, essence: &str) -> bool {
        match self.as_str().strip_suffix("/*") {
            Some("*") => true,
            Some(kind) => is_of_kind(essence, kind),
            None => is_named(essence, self.as_str()),
        }
    }
}

impl FromStr for TypePattern {
    type Err = BadMediaType;

    fn from_str(text: &str) -> Result<Self, BadMediaType> {
        let essence = text.parse::<MediaType>()?.essence();
        let wild = |part: &str| part.contains('*');
        let (kind, subtype) = essence.split_once('/').ok_or(BadMediaType)?;
        // A wildcard covers the whole subtype; the type may be a wildcard only if the subtype is.
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
    fn any_script_is_welcome_up_to_255_characters() {
        for name in ["a", "weird \"quoted\" 'name'; x=y.bin", "Ωμέγα 漢字 🦀.tar.gz", "..hidden", &"한".repeat(255)]
        {
            assert_eq!(name.parse::<FileName>().unwrap().as_str(), name);
        }
        assert_eq!("é".repeat(256).parse::<FileName>(), Err(BadName::TooLong));
        assert_eq!("🦀".repeat(255).parse::<FileName>().unwrap().as_str().len(), FileName::MAX_BYTES);
    }

    #[test]
    fn an_extension_is_what_a_name_keeps() {
        for (name, extension) in [
            ("a.txt", ".txt"),
            ("a.b.c", ".c"),
            ("a.tar.gz", ".tar.gz"),
            ("a.TAR.zst", ".TAR.zst"),
            (".tar.gz", ".gz"),
            ("a", ""),
            (".hidden", ""),
            ("end.", "."),
            ("보고서.한글", ".한글"),
            ("no. 1 of the things that are not an extension", ""),
        ] {
            let (stem, found) = split_extension(name);
            assert_eq!((found, format!("{stem}{found}").as_str()), (extension, name));
        }
        assert_eq!(shorten("short.txt", 255), "short.txt");
        assert_eq!(shorten("보고서 보고서.pdf", 16), "보고서.pdf");
        assert_eq!(shorten(&"日".repeat(200), 255).len(), 255);
        assert_eq!(shorten("abc.txt", 3), "abc");
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
        assert_eq!(FileName::salvage(&"ü".repeat(300)).unwrap().as_str().len(), 510);
        let long = FileName::salvage(&format!("{}.tar.gz", "報告".repeat(200))).unwrap();
        assert!(long.as_str().ends_with("告.tar.gz") || long.as_str().ends_with("報.tar.gz"), "{long}");
        assert_eq!(long.as_str().chars().count(), 255);
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
