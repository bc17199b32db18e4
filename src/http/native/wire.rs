//! Requests of the native API and their conversion to commands. Pure: no engine, no headers. Answers are in `view`.
//!
//! Unknown fields are refused: a misspelt option must not be ignored silently.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::asset::AssetMetadata;
use crate::domain::checksum::{ChecksumAlgorithm, PartChecksum};
use crate::domain::clock::parse_duration;
use crate::domain::grant::AssetVariant;
use crate::domain::ids::AssetId;
use crate::domain::name::{FileName, TypePattern};
use crate::domain::plan::{PartNumber, PartSet};
use crate::domain::policy::DEFAULT_POLICY;
use crate::engine::{
    ClaimedPart, CompleteUpload, CreateUpload, Error, IdempotencyKey, LinkWish, PatchAsset, SignParts, TransferMethod,
    UploadSize,
};
use crate::http::query::DurationInput;

/// Default number of part URLs in the answer to a creation.
const DEFAULT_URL_COUNT: u16 = 10;
const MAX_EXTERNAL_ID_BYTES: usize = 255;
/// Hexadecimal digits or base64, with or without the name of the algorithm.
const SHA256_PATTERN: &str = "^(sha-?256:)?([0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=)$";
/// The same, for the algorithms of part checksums.
const CHECKSUM_PATTERN: &str = "^((sha256:)?([0-9a-fA-F]{64}|[A-Za-z0-9+/]{43}=)|crc32c:([0-9a-fA-F]{8}|[A-Za-z0-9+/]{6}==)|crc64nvme:([0-9a-fA-F]{16}|[A-Za-z0-9+/]{11}=))$";
const MAX_CONTENT_TYPES: usize = 64;

pub(super) fn parse_field<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: &str,
) -> Result<T, Error> {
    text.parse().map_err(|error: T::Err| Error::invalid(field, error))
}

pub(super) fn parse_optional_field<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, Error> {
    text.map(|text| parse_field(field, text)).transpose()
}

/// Parses the member `content_types`.
pub(super) fn parse_content_types(texts: &[String]) -> Result<Vec<TypePattern>, Error> {
    if texts.len() > MAX_CONTENT_TYPES {
        return Err(Error::invalid("content_types", format!("at most {MAX_CONTENT_TYPES} types")));
    }
    texts.iter().map(|text| parse_field("content_types", text)).collect()
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewUpload")]
pub(super) struct CreateUploadBody {
    /// The file's name; required with `size`. Characters that no file system allows are removed.
    #[schemars(length(min = 1))]
    filename: Option<String>,
    /// The file's length in bytes, if it is known.
    size: Option<u64>,
    /// The most bytes that a file may have that is still to be chosen; instead of `size`.
    max_size: Option<u64>,
    /// Types that the file may have, like `image/*`; any that the policy allows by default.
    #[serde(default)]
    #[schemars(length(max = 64))]
    content_types: Vec<String>,
    /// Lifetime of the upload and its grant, in seconds or like `1h`; by default as `upload_expires_in` of the limits
    /// says.
    #[schemars(with = "Option<DurationInput>")]
    expires_in: Option<SecondsInput>,
    /// The media type that the sender declares.
    content_type: Option<String>,
    /// The SHA-256 of the file, if it is known; other bytes are refused.
    #[schemars(regex(pattern = SHA256_PATTERN))]
    sha256: Option<String>,
    /// Your own id for it: creating it again finds the open upload.
    #[schemars(length(min = 1, max = 255))]
    external_id: Option<String>,
    /// Properties to keep with the asset, up to `max_metadata_bytes`.
    #[serde(default)]
    metadata: AssetMetadata,
    /// Method of the transfer; the service chooses by default.
    #[serde(default)]
    method: MethodInput,
    /// Bytes of every part but the last; the service chooses by default.
    #[schemars(range(min = 1))]
    part_size: Option<u64>,
    /// The algorithm by which every part will be checked: `sha256`, `crc32c` or `crc64nvme`.
    #[schemars(regex(pattern = "^(sha256|crc32c|crc64nvme)$"))]
    checksum: Option<String>,
    /// Number of signed part URLs in the answer, at most; 10 by default.
    #[schemars(range(max = 10_000))]
    urls: Option<u16>,
    /// The name of the policy that applies; `default` by default.
    policy: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "UploadMethod")]
enum MethodInput {
    #[default]
    Auto,
    Put,
    Multipart,
    Append,
}

impl CreateUploadBody {
    pub(super) fn into_command(self, idempotency: Option<IdempotencyKey>) -> Result<CreateUpload, Error> {
        if let Some(id) = &self.external_id
            && (id.is_empty() || id.len() > MAX_EXTERNAL_ID_BYTES || id.chars().any(char::is_control))
        {
            return Err(Error::invalid("external_id", "must be 1 to 255 bytes without control characters"));
        }
        let allowed = parse_content_types(&self.content_types)?;
        let urls = self.urls.unwrap_or(DEFAULT_URL_COUNT);
        if urls > PartNumber::MAX {
            return Err(Error::invalid("urls", "must be at most 10000"));
        }
        let size = match (self.size, self.max_size) {
            (Some(size), None) => UploadSize::Exact(size),
            (None, Some(most)) => UploadSize::AtMost(most),
            (Some(_), Some(_)) => return Err(Error::invalid("max_size", "cannot be combined with size")),
            (None, None) => return Err(Error::invalid("size", "required (or max_size, if the file is chosen later)")),
        };
        let name = match (&self.filename, size) {
            (Some(name), _) => parse_field("filename", name)?,
            (None, UploadSize::AtMost(_)) => FileName::nameless(),
            (None, UploadSize::Exact(_)) => return Err(Error::invalid("filename", "required")),
        };
        Ok(CreateUpload {
            name,
            size,
            allowed,
            expires_in: self.expires_in.map(|life| life.into_duration("expires_in")).transpose()?,
            // Browsers send an empty type for files that they do not know.
            media_type: parse_optional_field(
                "content_type",
                self.content_type.as_deref().filter(|text| !text.is_empty()),
            )?,
            sha256: parse_optional_field("sha256", self.sha256.as_deref())?,
            external_id: self.external_id,
            metadata: self.metadata,
            policy: self.policy.unwrap_or_else(|| DEFAULT_POLICY.to_owned()),
            method: match self.method {
                MethodInput::Auto => TransferMethod::Auto,
                MethodInput::Put => TransferMethod::Put,
                MethodInput::Multipart => TransferMethod::Multipart,
                MethodInput::Append => TransferMethod::Append,
            },
            part_size: self.part_size,
            checksum: parse_optional_field::<ChecksumAlgorithm>("checksum", self.checksum.as_deref())?,
            url_count: urls,
            idempotency,
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "WantedParts")]
pub(super) struct SignPartsBody {
    /// The parts, as `1-200,512` or as a list of numbers; 10 000 at most.
    parts: PartListInput,
    /// The checksum of each part by its number, as `sha256:…`, `crc32c:…` or `crc64nvme:…`: the store refuses other
    /// bytes.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = { "type": "string", "pattern": CHECKSUM_PATTERN }))]
    checksums: BTreeMap<String, String>,
    /// `compact`: a template and the signatures instead of whole URLs.
    #[serde(default)]
    pub(super) form: UrlFormInput,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "UrlForm")]
pub(super) enum UrlFormInput {
    #[default]
    Urls,
    Compact,
}

/// `"1-200,512"` or `[1, 2, 3]`.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "parts are a text like 1-200,512 or a list of numbers")]
#[schemars(rename = "PartList")]
enum PartListInput {
    Text(String),
    Numbers(Vec<u64>),
}

fn parse_part_number(field: &'static str, number: Option<u64>) -> Result<PartNumber, Error> {
    number.and_then(PartNumber::new).ok_or_else(|| Error::invalid(field, "part numbers must be 1 to 10000"))
}

impl SignPartsBody {
    pub(super) fn into_command(self) -> Result<SignParts, Error> {
        let parts: PartSet = match self.parts {
            PartListInput::Text(text) => parse_field("parts", &text)?,
            PartListInput::Numbers(numbers) => {
                let numbers = numbers.into_iter().map(|number| parse_part_number("parts", Some(number)));
                PartSet::from_numbers(numbers.collect::<Result<Vec<_>, _>>()?)
            }
        };
        if parts.is_empty() {
            return Err(Error::invalid("parts", "at least one part is required"));
        }
        let checksum = |(part, text): (String, String)| {
            let part = parse_part_number("checksums", part.parse().ok())?;
            Ok((part, parse_field::<PartChecksum>("checksums", &text)?))
        };
        let checksums = self.checksums.into_iter().map(checksum).collect::<Result<Vec<_>, Error>>()?;
        if self.form == UrlFormInput::Compact && !checksums.is_empty() {
            return Err(Error::invalid("form", "cannot be compact with checksums: they change every URL"));
        }
        Ok(SignParts { parts, checksums })
    }
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Completion")]
pub(super) struct CompleteUploadBody {
    /// The parts that the client believes to have sent, to be compared; optional.
    #[schemars(length(max = 10_000))]
    parts: Option<Vec<ClaimedPartInput>>,
    /// The SHA-256 of the file; other bytes are refused.
    #[schemars(regex(pattern = SHA256_PATTERN))]
    sha256: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CompletedPart")]
struct ClaimedPartInput {
    /// The number of the part.
    #[serde(alias = "PartNumber", alias = "part_number")]
    #[schemars(range(min = 1, max = 10_000))]
    part: u64,
    /// The entity tag with which the store answered.
    #[serde(alias = "ETag")]
    etag: Option<String>,
}

impl CompleteUploadBody {
    pub(super) fn into_command(self) -> Result<CompleteUpload, Error> {
        let claimed = |part: ClaimedPartInput| {
            let etag = part.etag.map(|etag| etag.trim_matches('"').to_owned());
            Ok(ClaimedPart { number: parse_part_number("parts", Some(part.part))?, etag })
        };
        let parts = self.parts.map(|parts| parts.into_iter().map(claimed).collect::<Result<Vec<_>, Error>>());
        Ok(CompleteUpload {
            parts: parts.transpose()?,
            sha256: parse_optional_field("sha256", self.sha256.as_deref())?,
        })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AssetPatch")]
pub(super) struct PatchAssetBody {
    /// New name of the asset.
    #[schemars(length(min = 1))]
    filename: Option<String>,
    /// New metadata, which replaces the old.
    metadata: Option<AssetMetadata>,
}

impl PatchAssetBody {
    pub(super) fn into_command(self) -> Result<PatchAsset, Error> {
        Ok(PatchAsset { name: parse_optional_field("filename", self.filename.as_deref())?, metadata: self.metadata })
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AssetBatch")]
pub(super) struct BatchAssetsBody {
    /// Ids of assets; a thousand at most.
    #[schemars(length(max = 1000))]
    pub(super) ids: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewLink")]
pub(super) struct CreateLinkBody {
    /// The asset that the link opens; only where the path names none.
    #[serde(alias = "asset_id")]
    asset: Option<String>,
    /// Lifetime of the link in seconds, or like `1h`; 1 hour by default.
    #[schemars(with = "Option<DurationInput>")]
    expires_in: Option<SecondsInput>,
    /// `attachment` to save the file, `inline` to show it if its type is safe; `attachment` by default.
    #[schemars(regex(pattern = "^(attachment|inline)$"))]
    disposition: Option<String>,
    /// The name under which the file is saved; the asset's by default.
    #[schemars(length(min = 1))]
    filename: Option<String>,
    /// Number of permitted uses; unlimited by default.
    #[schemars(range(min = 1))]
    uses: Option<u32>,
    /// The only network that may use the link, like `192.0.2.0/24`; any by default.
    ip: Option<String>,
    /// A derivative that the link opens instead of the file, like `thumb-256`.
    #[schemars(length(min = 1, max = 64))]
    variant: Option<String>,
    /// The derivative's format, like `webp`; only with `variant`.
    #[schemars(length(min = 1, max = 64))]
    format: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewLinks")]
pub(super) struct CreateLinksBody {
    /// Links to create; a thousand at most.
    #[schemars(length(max = 1000))]
    pub(super) links: Vec<CreateLinkBody>,
}

/// `3600` or `"1h"`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a time is a number of seconds, or a text like 15m")]
pub(super) enum SecondsInput {
    Number(u64),
    Text(String),
}

impl SecondsInput {
    pub(super) fn into_duration(self, field: &'static str) -> Result<Duration, Error> {
        match self {
            Self::Number(seconds) => Ok(Duration::from_secs(seconds)),
            Self::Text(text) => parse_duration_field(field, &text),
        }
    }
}

/// `30`, `30s`, `5m`, `1h 30m`.
pub(super) fn parse_duration_field(field: &'static str, text: &str) -> Result<Duration, Error> {
    parse_duration(text).ok_or_else(|| Error::invalid(field, "must be seconds, or a duration like 90s, 15m or 1h"))
}

pub(super) const DEFAULT_LINK_TTL: Duration = Duration::from_secs(3600);

/// A derivative: its name and optionally its format.
pub(super) fn parse_variant(variant: Option<&str>, format: Option<&str>) -> Result<Option<AssetVariant>, Error> {
    match (variant, format) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::invalid("format", "requires variant")),
        (Some(name), format) => {
            let form = AssetVariant::read(name, format);
            form.map(Some)
                .ok_or_else(|| Error::invalid("variant", "must be a name like thumb-256, with a format like webp"))
        }
    }
}

impl CreateLinkBody {
    /// Converts the body to a command. `of`: the asset in the path, for routes with an asset.
    pub(super) fn into_command(self, of: Option<AssetId>) -> Result<LinkWish, Error> {
        let asset = match (of, self.asset) {
            (Some(asset), None) => asset,
            (None, Some(text)) => text.parse().map_err(|_| Error::NotFound)?,
            (Some(_), Some(_)) => return Err(Error::invalid("asset", "must be absent: the path names the asset")),
            (None, None) => return Err(Error::invalid("asset", "required")),
        };
        let disposition = self.disposition.unwrap_or_else(|| "attachment".to_owned());
        Ok(LinkWish {
            asset,
            expires_in: match self.expires_in {
                None => DEFAULT_LINK_TTL,
                Some(life) => life.into_duration("expires_in")?,
            },
            disposition: disposition
                .parse()
                .map_err(|()| Error::invalid("disposition", "must be attachment or inline"))?,
            filename: parse_optional_field("filename", self.filename.as_deref())?,
            variant: parse_variant(self.variant.as_deref(), self.format.as_deref())?,
            uses: self.uses,
            network: parse_optional_field("ip", self.ip.as_deref())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn misspelt_fields_are_told() {
        let error = serde_json::from_value::<CreateUploadBody>(json!({"filename": "a", "size": 1, "shа256": "x"}));
        assert!(error.err().unwrap().to_string().contains("unknown field"));
    }
}
