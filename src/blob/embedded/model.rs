//! Values of the store's metadata: ids, segments, manifests, headers, tags. Plain values without I/O.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::checksum::{ChecksumSet, S3ChecksumType};
use super::error::{Error, Result};

/// A row contains a value that no version of this code writes.
#[derive(Debug, thiserror::Error)]
#[error("corrupt metadata: {0}")]
pub(super) struct CorruptRow(pub(super) &'static str);

/// Random name of a data file. Clients' keys never become part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FileId(pub(super) [u8; 16]);

impl FileId {
    /// Shard directory of the file, 0 to 255.
    pub(super) fn shard(self) -> u8 {
        self.0[0]
    }

    /// Parses a file name; `None` for names that this store never gives.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let mut id = [0; 16];
        let ours = name.len() == 32 && !name.bytes().any(|b| b.is_ascii_uppercase());
        (ours && hex::decode_to_slice(name, &mut id).is_ok()).then_some(Self(id))
    }

    /// Parses the blob of a row.
    pub(super) fn from_blob(blob: &[u8]) -> Result<Self, CorruptRow> {
        blob.try_into().map(Self).map_err(|_| CorruptRow("a file id has not 16 bytes"))
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Row id of immutable bytes; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ContentId(pub(super) i64);

/// A segment of an object's bytes: a whole data file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileSegment {
    /// File with the bytes.
    pub(super) file: FileId,
    /// Size in bytes.
    pub(super) size: u64,
    /// Part number of the bytes, 1 for a plain PUT.
    pub(super) number: u16,
}

/// Segments of an object in order. The compact form lets a ranged read of 10 000 parts cost a single row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SegmentManifest(pub(super) Vec<FileSegment>);

impl SegmentManifest {
    const SEGMENT_RECORD_BYTES: usize = 16 + 8 + 2;

    /// Encodes 26 bytes for each segment: file id, size, part number, big-endian.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(self.0.len() * Self::SEGMENT_RECORD_BYTES);
        for segment in &self.0 {
            blob.extend_from_slice(&segment.file.0);
            blob.extend_from_slice(&segment.size.to_be_bytes());
            blob.extend_from_slice(&segment.number.to_be_bytes());
        }
        blob
    }

    /// Inverse of [`SegmentManifest::encode`].
    pub(super) fn decode(blob: &[u8]) -> Result<Self, CorruptRow> {
        let (records, rest) = blob.as_chunks::<{ Self::SEGMENT_RECORD_BYTES }>();
        if !rest.is_empty() {
            return Err(CorruptRow("a manifest is cut off"));
        }
        records.iter().map(|record| Self::segment(record).ok_or(CorruptRow("a manifest is damaged"))).collect()
    }

    fn segment(record: &[u8; Self::SEGMENT_RECORD_BYTES]) -> Option<FileSegment> {
        let (file, rest) = record.split_first_chunk::<16>()?;
        let (size, number) = rest.split_first_chunk::<8>()?;
        let number = u16::from_be_bytes(number.try_into().ok()?);
        Some(FileSegment { file: FileId(*file), size: u64::from_be_bytes(*size), number })
    }

    /// Sum of all segments in bytes.
    pub(super) fn size(&self) -> u64 {
        self.0.iter().map(|segment| segment.size).sum()
    }

    /// Segments that hold `length` bytes from `start`.
    pub(super) fn within(&self, start: u64, length: u64) -> &[FileSegment] {
        if length == 0 {
            return &[];
        }
        let (mut first, mut before) = (0, 0);
        while let Some(segment) = self.0.get(first).filter(|segment| before + segment.size <= start) {
            before += segment.size;
            first += 1;
        }
        let mut last = first;
        while let Some(segment) = self.0.get(last).filter(|_| before < start + length) {
            before += segment.size;
            last += 1;
        }
        &self.0[first..last]
    }

    /// Offset and size of the `number`-th part in order, counted from 1.
    pub(super) fn part(&self, number: u16) -> Option<(u64, u64)> {
        let index = usize::from(number).checked_sub(1)?;
        let size = self.0.get(index)?.size;
        Some((self.0[..index].iter().map(|segment| segment.size).sum(), size))
    }
}

impl FromIterator<FileSegment> for SegmentManifest {
    fn from_iter<I: IntoIterator<Item = FileSegment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

/// Headers that are returned with an object as they were given, and the client's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ObjectHeaders {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_encoding: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_disposition: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_language: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<String>,
    /// `Expires`, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<i64>,
    /// `x-amz-meta-*`, names in lower case without the prefix.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
}

impl ObjectHeaders {
    /// S3's limit for user metadata in bytes, names and values together.
    const MAX_METADATA_BYTES: usize = 2048;

    /// Refuses metadata above S3's limit.
    pub(super) fn check(self) -> Result<Self> {
        let size: usize = self.metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > Self::MAX_METADATA_BYTES { Err(Error::MetadataTooLarge) } else { Ok(self) }
    }
}

/// Tags of an object, at most ten, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ObjectTags(Vec<(String, String)>);

impl ObjectTags {
    /// Checks S3's limits: 10 tags, unique keys of 1 to 128 characters, values of up to 256 characters.
    pub(super) fn new(pairs: Vec<(String, String)>) -> Result<Self> {
        if pairs.len() > 10 {
            return Err(Error::InvalidTag("an object has at most 10 tags"));
        }
        let sized =
            |(key, value): &(String, String)| (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256;
        if !pairs.iter().all(sized) {
            return Err(Error::InvalidTag("a tag has a key of 1 to 128 characters and a value of at most 256"));
        }
        let mut keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::InvalidTag("a tag key may be given once"));
        }
        Ok(Self(pairs))
    }

    /// Parses `x-amz-tagging`, which has the syntax of a query.
    pub(super) fn from_header(text: &str) -> Result<Self> {
        Self::new(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Number of tags.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Pairs of key and value.
    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }
}

/// Checksums of an object and their type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ObjectChecksums {
    /// Values by algorithm.
    #[serde(default)]
    pub(super) sums: ChecksumSet,
    /// Type: of the full object, or composed of the parts' checksums.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<S3ChecksumType>,
}

/// Row of an object.
#[derive(Clone, Debug)]
pub(super) struct ObjectRow {
    /// Content with the bytes.
    pub(super) content: ContentId,
    /// Size in bytes.
    pub(super) size: u64,
    /// Entity tag: MD5 in hexadecimal, or `md5-of-md5s-N`.
    pub(super) etag: String,
    /// Time of the write, in microseconds since 1970.
    pub(super) modified: i64,
    /// Headers that are returned with the object.
    pub(super) headers: ObjectHeaders,
    /// Tags.
    pub(super) tags: ObjectTags,
    /// Checksums.
    pub(super) verified: ObjectChecksums,
}

/// Bucket and key of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ObjectAddress {
    /// Bucket name.
    pub(super) bucket: String,
    /// Key: 1 to 1024 bytes of any UTF-8.
    pub(super) key: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u16, size: u64) -> FileSegment {
        FileSegment { file: FileId([number.to_be_bytes()[1]; 16]), size, number }
    }

    #[test]
    fn a_manifest_survives_its_encoding() {
        let manifest = SegmentManifest(vec![segment(1, 5), segment(3, 0), segment(10_000, u64::MAX >> 1)]);
        assert_eq!(SegmentManifest::decode(&manifest.encode()).unwrap(), manifest);
        assert!(SegmentManifest::decode(&manifest.encode()[1..]).is_err());
    }

    #[test]
    fn parts_count_from_one_in_order_whatever_their_numbers() {
        let manifest = SegmentManifest(vec![segment(2, 5), segment(9, 7)]);
        assert_eq!((manifest.part(1), manifest.part(2), manifest.part(3)), (Some((0, 5)), Some((5, 7)), None));
        assert_eq!((manifest.part(0), manifest.size()), (None, 12));
    }

    #[test]
    fn a_range_lies_in_the_segments_that_hold_its_bytes() {
        let manifest = SegmentManifest(vec![segment(1, 5), segment(2, 0), segment(3, 7), segment(4, 1)]);
        let numbers =
            |start, length| manifest.within(start, length).iter().map(|segment| segment.number).collect::<Vec<_>>();
        assert_eq!((numbers(0, 5), numbers(4, 2), numbers(5, 1)), (vec![1], vec![1, 2, 3], vec![3]));
        assert_eq!((numbers(0, 13), numbers(12, 1), numbers(13, 1)), (vec![1, 2, 3, 4], vec![4], vec![]));
        assert_eq!(numbers(3, 0), Vec::<u16>::new());
    }

    #[test]
    fn only_our_own_file_names_are_ours() {
        let id = FileId([0xab; 16]);
        assert_eq!(FileId::from_name(&id.to_string()), Some(id));
        for foreign in ["", "lost+found", &"AB".repeat(16), &"ab".repeat(15), "../../../../../../etc/passwd0000"] {
            assert_eq!(FileId::from_name(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn tags_keep_the_limits_of_s3() {
        assert_eq!(ObjectTags::from_header("a=1&b=x%20y+z").unwrap().into_pairs()[1], ("b".into(), "x y z".into()));
        assert!(ObjectTags::from_header("a=1&a=2").is_err());
        assert!(ObjectTags::from_header("=1").is_err());
        assert!(ObjectTags::new((0..11).map(|i| (i.to_string(), String::new())).collect()).is_err());
    }
}
