//! What the native API is asked, and its way to commands. Pure: no engine, no headers. What it answers is in `view`.
//!
//! Unknown fields are refused: a misspelt wish must not be ignored in silence.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::asset::Metadata;
use crate::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use crate::domain::clock::parse_duration;
use crate::domain::grant::Variant;
use crate::domain::ids::AssetId;
use crate::domain::name::FileName;
use crate::domain::plan::{PartNumber, PartSet};
use crate::domain::policy::DEFAULT_POLICY;
use crate::engine::{
    ClaimedPart, CompleteUpload, CreateUpload, Error, Idempotency, LinkWish, MethodWish, PatchAsset, SignParts, Size,
};

/// Part URLs in the answer to a creation that does not say how many.
const FIRST_URLS: u16 = 10;
const MAX_EXTERNAL_ID: usize = 255;
const MAX_CONTENT_TYPES: usize = 64;

pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: &str,
) -> Result<T, Error> {
    text.parse().map_err(|error: T::Err| Error::invalid(field, error))
}

pub(super) fn parsed_opt<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, Error> {
    text.map(|text| parsed(field, text)).transpose()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUpload {
    filename: Option<String>,
    size: Option<u64>,
    max_size: Option<u64>,
    #[serde(default)]
    content_types: Vec<String>,
    expires_in: Option<Seconds>,
    content_type: Option<String>,
    sha256: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    method: Method,
    part_size: Option<u64>,
    checksum: Option<String>,
    urls: Option<u16>,
    policy: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Method {
    #[default]
    Auto,
    Put,
    Multipart,
    Append,
}

impl NewUpload {
    pub(super) fn command(self, idempotency: Option<Idempotency>) -> Result<CreateUpload, Error> {
        if let Some(id) = &self.external_id
            && (id.is_empty() || id.len() > MAX_EXTERNAL_ID || id.chars().any(char::is_control))
        {
            return Err(Error::invalid("external_id", "1 to 255 bytes without control characters"));
        }
        if self.content_types.len() > MAX_CONTENT_TYPES {
            return Err(Error::invalid("content_types", format!("at most {MAX_CONTENT_TYPES}")));
        }
        let urls = self.urls.unwrap_or(FIRST_URLS);
        if urls > PartNumber::MAX {
            return Err(Error::invalid("urls", "at most 10000"));
        }
        let size = match (self.size, self.max_size) {
            (Some(size), None) => Size::Exact(size),
            (None, Some(most)) => Size::AtMost(most),
            (Some(_), Some(_)) => return Err(Error::invalid("max_size", "the size is known already")),
            (None, None) => return Err(Error::invalid("size", "how many bytes? Or max_size, for a file to be chosen")),
        };
        let name = match (&self.filename, size) {
            (Some(name), _) => parsed("filename", name)?,
            (None, Size::AtMost(_)) => FileName::nameless(),
            (None, Size::Exact(_)) => return Err(Error::invalid("filename", "a file needs a name")),
        };
        let allowed = self.content_types.iter().map(|text| parsed("content_types", text));
        Ok(CreateUpload {
            name,
            size,
            allowed: allowed.collect::<Result<_, _>>()?,
            expires_in: self.expires_in.map(|life| life.read("expires_in")).transpose()?,
            // An empty type is what browsers say of files they do not know.
            media_type: parsed_opt("content_type", self.content_type.as_deref().filter(|text| !text.is_empty()))?,
            sha256: parsed_opt("sha256", self.sha256.as_deref())?,
            external_id: self.external_id,
            metadata: self.metadata,
            policy: self.policy.unwrap_or_else(|| DEFAULT_POLICY.to_owned()),
            method: match self.method {
                Method::Auto => MethodWish::Auto,
                Method::Put => MethodWish::Put,
                Method::Multipart => MethodWish::Multipart,
                Method::Append => MethodWish::Append,
            },
            part_size: self.part_size,
            checksum: parsed_opt::<ChecksumAlgorithm>("checksum", self.checksum.as_deref())?,
            urls,
            idempotency,
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedParts {
    parts: PartList,
    #[serde(default)]
    checksums: BTreeMap<String, String>,
    /// `compact`: one template and the signatures instead of whole URLs.
    #[serde(default)]
    pub(super) form: Form,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    #[default]
    Urls,
    Compact,
}

/// `"1-200,512"` or `[1, 2, 3]`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "parts are a text like 1-200,512 or a list of numbers")]
enum PartList {
    Text(String),
    Numbers(Vec<u64>),
}

fn part_number(field: &'static str, number: Option<u64>) -> Result<PartNumber, Error> {
    number.and_then(PartNumber::new).ok_or_else(|| Error::invalid(field, "part numbers are 1 to 10000"))
}

impl WantedParts {
    pub(super) fn command(self) -> Result<SignParts, Error> {
        let parts: PartSet = match self.parts {
            PartList::Text(text) => parsed("parts", &text)?,
            PartList::Numbers(numbers) => {
                let numbers = numbers.into_iter().map(|number| part_number("parts", Some(number)));
                PartSet::from_numbers(numbers.collect::<Result<Vec<_>, _>>()?)
            }
        };
        if parts.is_empty() {
            return Err(Error::invalid("parts", "at least one"));
        }
        let checksum = |(part, text): (String, String)| {
            let part = part_number("checksums", part.parse().ok())?;
            Ok((part, parsed::<PartChecksum>("checksums", &text)?))
        };
        let checksums = self.checksums.into_iter().map(checksum).collect::<Result<Vec<_>, Error>>()?;
        if self.form == Form::Compact && !checksums.is_empty() {
            return Err(Error::invalid("form", "checksums change every URL: ask for whole ones"));
        }
        Ok(SignParts { parts, checksums })
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Completion {
    parts: Option<Vec<CompletedPart>>,
    sha256: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct CompletedPart {
    #[serde(alias = "PartNumber", alias = "part_number")]
    part: u64,
    #[serde(alias = "ETag")]
    etag: Option<String>,
}

impl Completion {
    pub(super) fn command(self) -> Result<CompleteUpload, Error> {
        let claimed = |part: CompletedPart| {
            let etag = part.etag.map(|etag| etag.trim_matches('"').to_owned());
            Ok(ClaimedPart { number: part_number("parts", Some(part.part))?, etag })
        };
        let parts = self.parts.map(|parts| parts.into_iter().map(claimed).collect::<Result<Vec<_>, Error>>());
        Ok(CompleteUpload { parts: parts.transpose()?, sha256: parsed_opt("sha256", self.sha256.as_deref())? })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssetPatch {
    filename: Option<String>,
    metadata: Option<Metadata>,
}

impl AssetPatch {
    pub(super) fn command(self) -> Result<PatchAsset, Error> {
        Ok(PatchAsset { name: parsed_opt("filename", self.filename.as_deref())?, metadata: self.metadata })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AssetBatch {
    pub(super) ids: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    #[serde(alias = "asset_id")]
    asset: Option<String>,
    expires_in: Option<Seconds>,
    disposition: Option<String>,
    filename: Option<String>,
    uses: Option<u32>,
    ip: Option<String>,
    variant: Option<String>,
    format: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLinks {
    pub(super) links: Vec<NewLink>,
}

/// `3600` or `"1h"`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a time is a number of seconds, or a text like 15m")]
pub(super) enum Seconds {
    Number(u64),
    Text(String),
}

impl Seconds {
    pub(super) fn read(self, field: &'static str) -> Result<Duration, Error> {
        match self {
            Self::Number(seconds) => Ok(Duration::from_secs(seconds)),
            Self::Text(text) => duration(field, &text),
        }
    }
}

/// `30`, `30s`, `5m`, `1h 30m`.
pub(super) fn duration(field: &'static str, text: &str) -> Result<Duration, Error> {
    parse_duration(text).ok_or_else(|| Error::invalid(field, "seconds, or a duration like 90s, 15m or 1h"))
}

pub(super) const USUAL_LINK: Duration = Duration::from_secs(3600);

/// A derivative: its name, and perhaps its format.
pub(super) fn form(variant: Option<&str>, format: Option<&str>) -> Result<Option<Variant>, Error> {
    match (variant, format) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::invalid("format", "only together with variant")),
        (Some(name), format) => {
            let form = Variant::read(name, format);
            form.map(Some).ok_or_else(|| Error::invalid("variant", "a name like thumb-256, and a format like webp"))
        }
    }
}

impl NewLink {
    /// `of`: the asset in the path, where the route has one.
    pub(super) fn command(self, of: Option<AssetId>) -> Result<LinkWish, Error> {
        let asset = match (of, self.asset) {
            (Some(asset), None) => asset,
            (None, Some(text)) => text.parse().map_err(|_| Error::Hidden)?,
            (Some(_), Some(_)) => return Err(Error::invalid("asset", "the path names it already")),
            (None, None) => return Err(Error::invalid("asset", "which one?")),
        };
        let disposition = self.disposition.unwrap_or_else(|| "attachment".to_owned());
        Ok(LinkWish {
            asset,
            expires_in: match self.expires_in {
                None => USUAL_LINK,
                Some(life) => life.read("expires_in")?,
            },
            disposition: disposition.parse().map_err(|()| Error::invalid("disposition", "attachment or inline"))?,
            filename: parsed_opt("filename", self.filename.as_deref())?,
            variant: form(self.variant.as_deref(), self.format.as_deref())?,
            uses: self.uses,
            network: parsed_opt("ip", self.ip.as_deref())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn misspelt_fields_are_told() {
        let error = serde_json::from_value::<NewUpload>(json!({"filename": "a", "size": 1, "shа256": "x"}));
        assert!(error.err().unwrap().to_string().contains("unknown field"));
    }
}
