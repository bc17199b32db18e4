//! Conditional requests: preconditions on an object that is read, written or copied. Pure decisions.

use s3s::dto::ETagCondition;

use super::error::{Error, Result};

/// `If-Match` and `If-None-Match` of PutObject, CompleteMultipartUpload and DeleteObject.
#[derive(Clone, Debug, Default)]
pub(super) struct WriteCondition {
    if_match: Option<ETagCondition>,
    if_absent: bool,
}

impl WriteCondition {
    /// Condition of a write. `If-None-Match` supports only `*`, as in S3.
    pub(super) fn new(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> Result<Self> {
        match if_none_match {
            Some(ETagCondition::ETag(_)) => Err(Error::NotImplemented("If-None-Match with an ETag, on a write")),
            other => Ok(Self { if_match, if_absent: other.is_some() }),
        }
    }

    /// True if there is no condition.
    pub(super) fn is_none(&self) -> bool {
        self.if_match.is_none() && !self.if_absent
    }

    /// Checks the condition against the current ETag of the key; `None`: no object.
    pub(super) fn check(&self, etag: Option<&str>) -> Result<()> {
        match (&self.if_match, etag) {
            (Some(_), None) => Err(Error::NoSuchKey),
            (Some(condition), Some(etag)) if !holds(condition, etag) => Err(Error::PreconditionFailed),
            (_, Some(_)) if self.if_absent => Err(Error::PreconditionFailed),
            _ => Ok(()),
        }
    }
}

/// Conditions of DeleteObject beside the entity tag: size in bytes and last write in whole seconds since 1970.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DeleteCondition {
    /// `x-amz-if-match-size`.
    pub(super) size: Option<i64>,
    /// `x-amz-if-match-last-modified-time`.
    pub(super) modified: Option<i64>,
}

impl DeleteCondition {
    /// True if there is no condition.
    pub(super) fn is_none(self) -> bool {
        self.size.is_none() && self.modified.is_none()
    }

    /// Checks the conditions against an object; `modified` is in microseconds since 1970.
    pub(super) fn check(self, size: u64, modified: i64) -> Result<()> {
        let same_size = self.size.is_none_or(|wanted| u64::try_from(wanted) == Ok(size));
        let same_time = self.modified.is_none_or(|wanted| wanted == seconds(modified));
        if same_size && same_time { Ok(()) } else { Err(Error::PreconditionFailed) }
    }
}

/// Conditions of GetObject and HeadObject. Times are whole seconds since 1970, as in HTTP.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadCondition {
    /// `If-Match`.
    pub(super) if_match: Option<ETagCondition>,
    /// `If-None-Match`.
    pub(super) if_none_match: Option<ETagCondition>,
    /// `If-Modified-Since`.
    pub(super) if_modified_since: Option<i64>,
    /// `If-Unmodified-Since`.
    pub(super) if_unmodified_since: Option<i64>,
}

impl ReadCondition {
    /// Checks in the order of RFC 9110 §13.2.2: 412 first, then 304. `modified` is in microseconds since 1970.
    pub(super) fn check(&self, etag: &str, modified: i64) -> Result<()> {
        let changed = match &self.if_match {
            Some(condition) => !holds(condition, etag),
            None => self.if_unmodified_since.is_some_and(|since| seconds(modified) > since),
        };
        let fresh = match &self.if_none_match {
            Some(condition) => holds(condition, etag),
            None => self.if_modified_since.is_some_and(|since| seconds(modified) <= since),
        };
        match (changed, fresh) {
            (true, _) => Err(Error::PreconditionFailed),
            (false, true) => Err(Error::NotModified { etag: etag.to_owned() }),
            (false, false) => Ok(()),
        }
    }
}

/// The `x-amz-copy-source-if-*` conditions, which fail only with 412.
#[derive(Clone, Debug, Default)]
pub(super) struct CopyCondition(pub(super) ReadCondition);

impl CopyCondition {
    /// Checks the conditions against the source. `modified` is in microseconds since 1970.
    pub(super) fn check(&self, etag: &str, modified: i64) -> Result<()> {
        self.0.check(etag, modified).map_err(|_| Error::PreconditionFailed)
    }
}

fn holds(condition: &ETagCondition, etag: &str) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(wanted) => wanted.value() == etag,
    }
}

/// Microseconds as whole seconds, the resolution of HTTP dates.
pub(super) fn seconds(micros: i64) -> i64 {
    micros.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto::ETag;

    fn tag(value: &str) -> Option<ETagCondition> {
        Some(ETagCondition::ETag(ETag::Strong(value.to_owned())))
    }

    #[test]
    fn writes() {
        let absent = WriteCondition::new(None, Some(ETagCondition::Any)).unwrap();
        assert!(absent.check(None).is_ok());
        assert!(matches!(absent.check(Some("a")), Err(Error::PreconditionFailed)));
        let same = WriteCondition::new(tag("a"), None).unwrap();
        assert!(same.check(Some("a")).is_ok());
        assert!(matches!(same.check(Some("b")), Err(Error::PreconditionFailed)));
        assert!(matches!(same.check(None), Err(Error::NoSuchKey)));
        assert!(WriteCondition::new(None, tag("a")).is_err());
    }

    #[test]
    fn deletions_may_depend_on_size_and_time() {
        let check = |size, modified| DeleteCondition { size, modified }.check(5, 7_900_000);
        assert!(check(None, None).is_ok() && check(Some(5), Some(7)).is_ok());
        for (size, modified) in [(Some(4), None), (Some(-5), None), (None, Some(8)), (Some(5), Some(6))] {
            assert!(matches!(check(size, modified), Err(Error::PreconditionFailed)), "{size:?} {modified:?}");
        }
    }

    #[test]
    fn reads_follow_the_precedence_of_http() {
        let at = 5_500_000;
        let etag_beats_date =
            ReadCondition { if_match: tag("a"), if_unmodified_since: Some(1), ..ReadCondition::default() };
        assert!(etag_beats_date.check("a", at).is_ok());
        let both = ReadCondition { if_match: tag("b"), if_none_match: tag("a"), ..ReadCondition::default() };
        assert!(matches!(both.check("a", at), Err(Error::PreconditionFailed)));
        let since = |since| ReadCondition { if_modified_since: Some(since), ..ReadCondition::default() };
        assert!(matches!(since(5).check("a", at), Err(Error::NotModified { .. })), "an HTTP date has no fraction");
        assert!(since(4).check("a", at).is_ok());
        assert!(matches!(CopyCondition(since(5)).check("a", at), Err(Error::PreconditionFailed)));
    }
}
