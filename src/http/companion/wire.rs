//! Shapes of Companion's contract, and their way to commands and from domain values. Pure: no engine, no bodies.
//!
//! Fields that Uppy may add are let pass: here the other side decides what is said.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::query::pairs;
use crate::domain::asset::{Asset, Metadata};
use crate::domain::clock::Timestamp;
use crate::domain::ids::AssetId;
use crate::domain::name::{FileName, MediaType};
use crate::domain::plan::PartNumber;
use crate::domain::upload::Upload;
use crate::engine::{ClaimedPart, CompleteUpload, Error, OpenUnsized, SignedUrl, StoredPart};

/// A word where the contract wants the bucket's name, which is nobody's business.
pub(super) const BUCKET: &str = "gantry";

/// A query string, its names decoded. `+` is a blank for version 6, and `%20` for version 5.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn new(raw: Option<&str>) -> Self {
        Self(pairs(raw).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The key that the client was given and says again with everything that it wants.
    pub(super) fn key(&self) -> Result<&str, Error> {
        self.get("key").filter(|key| !key.is_empty()).ok_or_else(|| Error::invalid("key", "which file?"))
    }

    /// `GET /s3/params`: the type, as it has to come back, and what is wished.
    pub(super) fn single(&self) -> Result<(String, OpenUnsized), Error> {
        let member = |(name, value): &(String, String)| {
            let key = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((key.to_owned(), Value::from(value.clone())))
        };
        let kind = self.get("type").unwrap_or_default().to_owned();
        let metadata = self.0.iter().filter_map(member).collect();
        Ok((kind.clone(), described(self.get("filename").unwrap_or_default(), &kind, metadata)?))
    }

    /// `GET …/batch`.
    pub(super) fn part_numbers(&self) -> Result<Vec<PartNumber>, Error> {
        let list = self.get("partNumbers").unwrap_or_default().split(',').map(str::trim);
        let numbers = list.map(part_number).collect::<Result<Vec<_>, Error>>()?;
        if numbers.len() > usize::from(PartNumber::MAX) {
            return Err(Error::invalid("partNumbers", "at most 10000 at once"));
        }
        Ok(numbers)
    }
}

/// The number of a part in a path or a list.
pub(super) fn part_number(text: &str) -> Result<PartNumber, Error> {
    let number = text.parse().ok().and_then(PartNumber::new);
    number.ok_or_else(|| Error::invalid("partNumber", "part numbers are 1 to 10000"))
}

/// What is said of a file. A name loses its path and what no name can hold; a type that is none is not believed.
fn described(name: &str, kind: &str, metadata: Metadata) -> Result<OpenUnsized, Error> {
    let name = FileName::salvage(name).map_err(|error| Error::invalid("filename", error))?;
    Ok(OpenUnsized { name, media_type: kind.parse().ok(), metadata })
}

/// `POST /s3/multipart`.
#[derive(Deserialize, JsonSchema)]
pub(super) struct NewMultipart {
    /// The file's name.
    filename: String,
    /// The file's type.
    r#type: String,
    /// What Uppy keeps with the file.
    metadata: Option<Map<String, Value>>,
}

impl NewMultipart {
    pub(super) fn command(self) -> Result<OpenUnsized, Error> {
        let text = |(name, value): (String, Value)| match value {
            Value::String(_) => (name, value),
            other => (name, Value::from(other.to_string())),
        };
        described(&self.filename, &self.r#type, self.metadata.unwrap_or_default().into_iter().map(text).collect())
    }
}

/// `POST …/complete`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CompanionCompletion")]
pub(super) struct Completion {
    /// The parts that were sent.
    parts: Vec<CompletedPart>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CompanionCompletedPart")]
struct CompletedPart {
    /// The number of the part.
    #[serde(rename = "PartNumber")]
    #[schemars(range(min = 1, max = 10_000))]
    number: u64,
    /// The entity tag that the store answered with.
    #[serde(rename = "ETag")]
    etag: String,
}

impl Completion {
    /// Entity tags come with quotes and without, parts in any order.
    pub(super) fn command(self) -> Result<CompleteUpload, Error> {
        let claimed = |part: CompletedPart| {
            let number = PartNumber::new(part.number);
            let number = number.ok_or_else(|| Error::invalid("parts", "part numbers are 1 to 10000"))?;
            Ok(ClaimedPart { number, etag: Some(part.etag.trim().trim_matches('"').to_owned()) })
        };
        let mut parts = self.parts.into_iter().map(claimed).collect::<Result<Vec<_>, Error>>()?;
        parts.sort_unstable_by_key(|part| part.number);
        if let Some(twice) = parts.windows(2).find(|pair| pair[0].number == pair[1].number) {
            return Err(Error::invalid("parts", format!("part {} comes twice", twice[0].number)));
        }
        Ok(CompleteUpload { parts: Some(parts), sha256: None })
    }
}

/// The key by which a client knows a file: it is the asset's id, and ours.
pub(super) fn key(asset: AssetId) -> String {
    asset.to_string()
}

/// Where a file will be.
pub(super) fn location(public_url: &str, asset: AssetId) -> String {
    format!("{public_url}/v1/assets/{asset}/content")
}

pub(super) fn created(upload: &Upload) -> Value {
    json!({ "key": key(upload.asset), "uploadId": upload.id, "bucket": BUCKET })
}

pub(super) fn parts(parts: &[StoredPart]) -> Value {
    let part = |part: &StoredPart| json!({ "PartNumber": part.number.get(), "Size": part.size, "ETag": format!("\"{}\"", part.etag) });
    parts.iter().map(part).collect()
}

/// Whole seconds from one time to another.
fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    (to.as_second() - from.as_second()).max(0)
}

pub(super) fn signed(signed: &SignedUrl, now: Timestamp) -> Value {
    json!({ "url": signed.url, "expires": seconds(now, signed.expires_at) })
}

pub(super) fn completed(asset: &Asset, public_url: &str) -> Value {
    json!({ "location": location(public_url, asset.id), "key": key(asset.id), "bucket": BUCKET })
}

/// The form that Uppy is to send: these fields in any order, then the file.
pub(super) fn form(upload: &Upload, url: &str, kind: &str, now: Timestamp) -> Value {
    let kind = if kind.parse::<MediaType>().is_ok() { kind } else { "application/octet-stream" };
    let fields = json!({ "key": key(upload.asset), "success_action_status": "201", "content-type": kind });
    json!({ "method": "POST", "url": url, "fields": fields, "expires": seconds(now, upload.expires_at) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_a_blank() {
        let (kind, wish) = Query::new(Some(
            "filename=%C3%A4+b.bin&type=application%2Fx-test&metadata%5Bcaption%5D=h%C3%A9llo&metadata[n]=5&x=y",
        ))
        .single()
        .unwrap();
        assert_eq!((wish.name.as_str(), kind.as_str()), ("ä b.bin", "application/x-test"));
        assert_eq!(serde_json::to_value(wish.metadata).unwrap(), json!({"caption": "héllo", "n": "5"}));
        assert_eq!(Query::new(Some("key=a%20b")).key().unwrap(), Query::new(Some("key=a+b")).key().unwrap());
        assert!(Query::new(Some("filename=")).single().is_err() && Query::new(None).key().is_err());
    }

    #[test]
    fn metadata_of_any_kind_becomes_text() {
        let body = json!({"filename": "a/b.c", "type": "no type", "metadata": {"n": 5, "t": true, "z": null, "o": {"k": [1]}, "s": "x"}});
        let wish = serde_json::from_value::<NewMultipart>(body).unwrap().command().unwrap();
        assert_eq!((wish.name.as_str(), wish.media_type), ("b.c", None));
        let texts = json!({"n": "5", "t": "true", "z": "null", "o": "{\"k\":[1]}", "s": "x"});
        assert_eq!(serde_json::to_value(wish.metadata).unwrap(), texts);
    }

    #[test]
    fn lists_of_parts_are_put_in_order() {
        let parse = |parts: Value| {
            let list: Completion = serde_json::from_value(json!({ "parts": parts })).unwrap();
            list.command().map(|wish| wish.parts.unwrap_or_default())
        };
        let parts =
            parse(json!([{"PartNumber": 2, "ETag": "\"b\""}, {"PartNumber": 1, "ETag": "a", "Size": 3}])).unwrap();
        let read: Vec<_> = parts.iter().map(|part| (part.number.get(), part.etag.as_deref().unwrap())).collect();
        assert_eq!(read, [(1, "a"), (2, "b")]);
        assert!(parse(json!([{"PartNumber": 1, "ETag": "a"}, {"PartNumber": 1, "ETag": "a"}])).is_err());
        assert!(parse(json!([{"PartNumber": 0, "ETag": "a"}])).is_err());
        assert!(parse(json!([{"PartNumber": 10001, "ETag": "a"}])).is_err());
    }
}
