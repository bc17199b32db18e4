//! Versions of the draft and their differences. Pure; the only module that knows interop numbers.
//!
//! | number | drafts | remark |
//! |---|---|---|
//! | 3, 4 | -01, -02 | `Upload-Incomplete`; iOS 17 |
//! | 5 | -03 | `Upload-Complete`; tus-js-client |
//! | 6 | -04, -05 | `application/partial-upload`, `Upload-Limit` with `expires`; iOS 18, tus-js-client |
//! | 7 | -06 to -08 | `Upload-Length` in answers, `max-age` |
//! | 8 | -09 to -11 | pyrufh |
//! | 9, 10 | -12, -13 | no `completed-upload` any more |

use http::{HeaderMap, HeaderName, StatusCode};

use super::structured_fields;
use crate::engine::Error;

pub(super) const INTEROP_VERSION_HEADER: HeaderName = HeaderName::from_static("upload-draft-interop-version");
pub(super) const UPLOAD_COMPLETE_HEADER: HeaderName = HeaderName::from_static("upload-complete");
pub(super) const UPLOAD_INCOMPLETE_HEADER: HeaderName = HeaderName::from_static("upload-incomplete");

/// A supported version of the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DraftVersion {
    /// The version with this interop number.
    Numbered(u8),
    /// No number was sent: treated as the latest version, and as the future RFC.
    Latest,
}

/// Version that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestedDraft {
    Known(DraftVersion),
    /// An unknown number: the client must do without resumption.
    Unknown,
}

impl RequestedDraft {
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let number =
            structured_fields::parse_integer(headers, &INTEROP_VERSION_HEADER, "Upload-Draft-Interop-Version")?;
        let old = headers.contains_key(UPLOAD_INCOMPLETE_HEADER) && !headers.contains_key(UPLOAD_COMPLETE_HEADER);
        Ok(match number.map(u8::try_from) {
            Some(Ok(number @ 3..=10)) => Self::Known(DraftVersion::Numbered(number)),
            Some(_) => Self::Unknown,
            None if old => Self::Known(DraftVersion::Numbered(3)),
            None => Self::Known(DraftVersion::Latest),
        })
    }

    /// The version in which to answer about an existing upload.
    pub(super) fn or_latest(self) -> DraftVersion {
        match self {
            Self::Known(draft) => draft,
            Self::Unknown => DraftVersion::Latest,
        }
    }
}

impl DraftVersion {
    fn at_least(self, number: u8) -> bool {
        match self {
            Self::Numbered(own) => own >= number,
            Self::Latest => true,
        }
    }

    /// The interop number to repeat in answers.
    pub(super) fn interop_number(self) -> Option<u8> {
        match self {
            Self::Numbered(number) => Some(number),
            Self::Latest => None,
        }
    }

    /// Header that says if the upload is complete: its name, its name in messages, and its value for "complete".
    pub(super) fn completeness_header(self) -> (HeaderName, &'static str, bool) {
        if self.at_least(5) {
            (UPLOAD_COMPLETE_HEADER, "Upload-Complete", true)
        } else {
            (UPLOAD_INCOMPLETE_HEADER, "Upload-Incomplete", false)
        }
    }

    /// True if appends have a content type of their own (-04 §6).
    pub(super) fn requires_append_type(self) -> bool {
        self.at_least(6)
    }

    /// Status of an append after which more is to come: 201 by the letter of -01 §4.3 to -05 §6, then 204.
    pub(super) fn append_status(self) -> StatusCode {
        if self.at_least(7) { StatusCode::NO_CONTENT } else { StatusCode::CREATED }
    }

    /// Parameter of `Upload-Limit` for the seconds that an upload has left; `None`: this version has no such header.
    pub(super) fn lifetime_parameter(self) -> Option<&'static str> {
        match self {
            Self::Numbered(..=5) => None,
            Self::Numbered(6) => Some("expires"),
            Self::Numbered(_) | Self::Latest => Some("max-age"),
        }
    }

    /// True if an append to a complete upload has a problem type of its own, with status 400 (-04 to -11).
    pub(super) fn has_completed_problem(self) -> bool {
        matches!(self, Self::Numbered(..=8))
    }

    /// True if a file of known length is complete with its last byte, whatever the completeness header says.
    /// tus-js-client 4.3.1 announces more content after the last chunk of a file from a disk (`FileSource.js`) and
    /// sends none; and it may end a stream by an append that brings the length without a completeness header.
    pub(super) fn is_tus_js(self) -> bool {
        matches!(self, Self::Numbered(5 | 6))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn spoken(pairs: &[(&'static str, &'static str)]) -> Result<RequestedDraft, Error> {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        RequestedDraft::from_headers(&HeaderMap::from_iter(pairs))
    }

    #[test]
    fn numbers() {
        for number in ["3", "4", "5", "6", "7", "8", "9", "10"] {
            let known = spoken(&[("upload-draft-interop-version", number)]).unwrap();
            assert_eq!(known, RequestedDraft::Known(DraftVersion::Numbered(number.parse().unwrap())));
        }
        for number in ["0", "2", "11", "255", "256", "999999999999999"] {
            assert_eq!(
                spoken(&[("upload-draft-interop-version", number)]).unwrap(),
                RequestedDraft::Unknown,
                "{number}"
            );
        }
        for bad in ["", "x", "-3", "6.0", "\"6\"", "6, 6"] {
            assert!(spoken(&[("upload-draft-interop-version", bad)]).is_err(), "{bad}");
        }
        assert_eq!(spoken(&[]).unwrap(), RequestedDraft::Known(DraftVersion::Latest));
        assert_eq!(spoken(&[("upload-incomplete", "?0")]).unwrap(), RequestedDraft::Known(DraftVersion::Numbered(3)));
    }
}
