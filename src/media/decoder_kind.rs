//! Choice of decoder by media type, and the number of bytes that it needs of a file.

use crate::domain::name::MediaType;

/// Largest picture or document that is fetched as a whole, in bytes.
const MAX_WHOLE_FILE_BYTES: u64 = 256 << 20;
/// Largest film that is fetched as a whole, in bytes.
const MAX_WHOLE_FILM_BYTES: u64 = 64 << 20;
/// Bytes at each end of a larger film: some seconds of pictures at the beginning; many films have their index at the
/// end.
pub(super) const FILM_HEAD_BYTES: u32 = 16 << 20;
/// Bytes at the beginning of an archive; its directory is at the end.
const ARCHIVE_HEAD_BYTES: u64 = 64 << 10;
const ARCHIVE_TAIL_BYTES: u64 = 32 << 20;
/// Bytes at the beginning of a larger picture: its header.
const PICTURE_HEAD_BYTES: u64 = 1 << 20;

/// Bytes of a file that are needed to inspect it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredBytes {
    /// None: such files are not inspected.
    Nothing,
    /// All bytes.
    Whole,
    /// Bytes at the beginning and at the end. The rest of the file, which keeps its size, is a hole.
    Ends {
        /// Number of bytes at the beginning.
        head: u64,
        /// Number of bytes at the end.
        tail: u64,
    },
}

/// Decoder of a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecoderKind {
    Picture,
    Heif,
    Markup,
    Film,
    Document,
    Archive,
}

impl DecoderKind {
    pub(super) fn of_media_type(media_type: &MediaType) -> Option<Self> {
        let essence = media_type.essence();
        let (top, sub) = essence.split_once('/')?;
        let packed = ["zip", "java-archive", "x-java-archive", "vnd.android.package-archive", "x-xpinstall"];
        let office = ["vnd.openxmlformats-officedocument.", "vnd.oasis.opendocument."];
        Some(match (top, sub) {
            ("image", "jpeg" | "png" | "apng" | "vnd.mozilla.apng" | "gif" | "webp" | "bmp" | "tiff") => Self::Picture,
            ("image", "heic" | "heif" | "heic-sequence" | "heif-sequence" | "avif" | "avif-sequence") => Self::Heif,
            ("image", "svg+xml") => Self::Markup,
            ("application", "pdf") => Self::Document,
            // Playlists name other files; MIDI contains notes, not sound.
            ("audio" | "video", _) if sub.contains("mpegurl") || sub.contains("scpls") || sub.contains("midi") => {
                return None;
            }
            ("audio" | "video", _) | ("application", "ogg" | "mxf") => Self::Film,
            ("application", sub)
                if packed.contains(&sub) || sub.ends_with("+zip") || office.iter().any(|it| sub.starts_with(it)) =>
            {
                Self::Archive
            }
            _ => return None,
        })
    }

    /// Bytes that are needed of a file of `size` bytes.
    pub(super) fn required_bytes(self, size: u64) -> RequiredBytes {
        let ends = |whole: u64, head: u64, tail: u64| {
            if size <= whole.max(head + tail) { RequiredBytes::Whole } else { RequiredBytes::Ends { head, tail } }
        };
        match self {
            _ if size == 0 => RequiredBytes::Nothing,
            Self::Picture | Self::Heif => ends(MAX_WHOLE_FILE_BYTES, PICTURE_HEAD_BYTES, 0),
            Self::Markup | Self::Document if size > MAX_WHOLE_FILE_BYTES => RequiredBytes::Nothing,
            Self::Markup | Self::Document => RequiredBytes::Whole,
            Self::Film => ends(MAX_WHOLE_FILM_BYTES, FILM_HEAD_BYTES.into(), FILM_HEAD_BYTES.into()),
            Self::Archive => ends(0, ARCHIVE_HEAD_BYTES, ARCHIVE_TAIL_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_find_their_decoder() {
        let kind = |text: &str| DecoderKind::of_media_type(&text.parse().unwrap());
        assert_eq!(kind("image/jpeg"), Some(DecoderKind::Picture));
        assert_eq!(kind("image/svg+xml; charset=utf-8"), Some(DecoderKind::Markup));
        assert_eq!(kind("application/epub+zip"), Some(DecoderKind::Archive));
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        assert_eq!(kind(docx), Some(DecoderKind::Archive));
        for other in ["application/octet-stream", "text/html", "audio/mpegurl", "application/vnd.apple.mpegurl"] {
            assert_eq!(kind(other), None, "{other}");
        }
    }

    #[test]
    fn of_large_files_only_the_ends_are_wanted() {
        assert_eq!(DecoderKind::Film.required_bytes(MAX_WHOLE_FILM_BYTES), RequiredBytes::Whole);
        assert_eq!(
            DecoderKind::Film.required_bytes(MAX_WHOLE_FILM_BYTES + 1),
            RequiredBytes::Ends { head: 16 << 20, tail: 16 << 20 }
        );
        assert_eq!(DecoderKind::Document.required_bytes(MAX_WHOLE_FILE_BYTES + 1), RequiredBytes::Nothing);
        assert_eq!(DecoderKind::Picture.required_bytes(0), RequiredBytes::Nothing);
        assert_eq!(
            DecoderKind::Archive.required_bytes(10 << 30),
            RequiredBytes::Ends { head: 64 << 10, tail: 32 << 20 }
        );
    }
}
