//! Requests of Companion's API and their conversion to commands. Pure: no engine, no bodies. Answers are in `view`.
//!
//! Unknown fields are ignored: Uppy defines this API and may add some.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::domain::asset::AssetMetadata;
use crate::domain::ids::AssetId;
use crate::domain::name::FileName;
use crate::domain::plan::PartNumber;
use crate::engine::{ClaimedPart, CompleteUpload, Error, OpenUnsizedUpload};
use crate::http::query::query_pairs;

/// A query string with decoded names. `+` is a space for version 6, and `%20` for version 5.
pub(super) struct CompanionQuery(Vec<(String, String)>);

impl CompanionQuery {
    pub(super) fn new(raw: Option<&str>) -> Self {
        Self(query_pairs(raw).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The key that the client was given and repeats with every request.
    pub(super) fn required_key(&self) -> Result<&str, Error> {
        self.get("key").filter(|key| !key.is_empty()).ok_or_else(|| Error::invalid("key", "required"))
    }

    /// `GET /s3/params`: the type, which the form must repeat, and the command.
    pub(super) fn form_command(&self) -> Result<(String, OpenUnsizedUpload), Error> {
        let member = |(name, value): &(String, String)| {
            let key = name.strip_prefix("metadata[")?.strip_suffix(']')?;
            Some((key.to_owned(), Value::from(value.clone())))
        };
        let kind = self.get("type").unwrap_or_default().to_owned();
        let metadata = self.0.iter().filter_map(member).collect();
        Ok((kind.clone(), open_command(self.get("filename").unwrap_or_default(), &kind, metadata)?))
    }

    /// `GET …/batch`.
    pub(super) fn part_numbers(&self) -> Result<Vec<PartNumber>, Error> {
        let list = self.get("partNumbers").unwrap_or_default().split(',').map(str::trim);
        let numbers = list.map(parse_part_number).collect::<Result<Vec<_>, Error>>()?;
        if numbers.len() > usize::from(PartNumber::MAX) {
            return Err(Error::invalid("partNumbers", "at most 10000 part numbers"));
        }
        Ok(numbers)
    }
}

/// The number of a part in a path or a list.
pub(super) fn parse_part_number(text: &str) -> Result<PartNumber, Error> {
    let number = text.parse().ok().and_then(PartNumber::new);
    number.ok_or_else(|| Error::invalid("partNumber", "part numbers must be 1 to 10000"))
}

/// The command for a file as the client describes it. Path and characters that no name can hold are removed from the
/// name; an invalid type is ignored.
fn open_command(name: &str, kind: &str, metadata: AssetMetadata) -> Result<OpenUnsizedUpload, Error> {
    let name = FileName::salvage(name).map_err(|error| Error::invalid("filename", error))?;
    Ok(OpenUnsizedUpload { name, media_type: kind.parse().ok(), metadata })
}

/// `POST /s3/multipart`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "NewMultipart")]
pub(super) struct CreateMultipartBody {
    /// The file's name.
    filename: String,
    /// The file's type.
    r#type: String,
    /// Properties that Uppy keeps with the file.
    metadata: Option<Map<String, Value>>,
}

impl CreateMultipartBody {
    pub(super) fn into_command(self) -> Result<OpenUnsizedUpload, Error> {
        let text = |(name, value): (String, Value)| match value {
            Value::String(_) => (name, value),
            other => (name, Value::from(other.to_string())),
        };
        open_command(&self.filename, &self.r#type, self.metadata.unwrap_or_default().into_iter().map(text).collect())
    }
}

/// `POST …/complete`.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CompanionCompletion")]
pub(super) struct CompleteMultipartBody {
    /// The parts that were sent.
    parts: Vec<CompanionPartInput>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CompanionCompletedPart")]
struct CompanionPartInput {
    /// The number of the part.
    #[serde(rename = "PartNumber")]
    #[schemars(range(min = 1, max = 10_000))]
    number: u64,
    /// The entity tag with which the store answered.
    #[serde(rename = "ETag")]
    etag: String,
}

impl CompleteMultipartBody {
    /// Converts the body. Entity tags come with and without quotes, parts in any order.
    pub(super) fn into_command(self) -> Result<CompleteUpload, Error> {
        let claimed = |part: CompanionPartInput| {
            let number = PartNumber::new(part.number);
            let number = number.ok_or_else(|| Error::invalid("parts", "part numbers must be 1 to 10000"))?;
            Ok(ClaimedPart { number, etag: Some(part.etag.trim().trim_matches('"').to_owned()) })
        };
        let mut parts = self.parts.into_iter().map(claimed).collect::<Result<Vec<_>, Error>>()?;
        parts.sort_unstable_by_key(|part| part.number);
        if let Some(twice) = parts.windows(2).find(|pair| pair[0].number == pair[1].number) {
            return Err(Error::invalid("parts", format!("part {} occurs twice", twice[0].number)));
        }
        Ok(CompleteUpload { parts: Some(parts), sha256: None })
    }
}

/// The key under which a client knows a file: the asset's id.
pub(super) fn asset_key(asset: AssetId) -> String {
    asset.to_string()
}

/// URL of the file's content.
pub(super) fn asset_location(public_url: &str, asset: AssetId) -> String {
    format!("{public_url}/v1/assets/{asset}/content")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_ways_to_write_a_blank() {
        let (kind, wish) = CompanionQuery::new(Some(
            "filename=%C3%A4+b.bin&type=application%2Fx-test&metadata%5Bcaption%5D=h%C3%A9llo&metadata[n]=5&x=y",
        ))
        .form_command()
        .unwrap();
        assert_eq!((wish.name.as_str(), kind.as_str()), ("ä b.bin", "application/x-test"));
        assert_eq!(serde_json::to_value(wish.metadata).unwrap(), json!({"caption": "héllo", "n": "5"}));
        assert_eq!(
            CompanionQuery::new(Some("key=a%20b")).required_key().unwrap(),
            CompanionQuery::new(Some("key=a+b")).required_key().unwrap()
        );
        assert!(
            CompanionQuery::new(Some("filename=")).form_command().is_err()
                && CompanionQuery::new(None).required_key().is_err()
        );
    }

    #[test]
    fn metadata_of_any_kind_becomes_text() {
        let body = json!({"filename": "a/b.c", "type": "no type", "metadata": {"n": 5, "t": true, "z": null, "o": {"k": [1]}, "s": "x"}});
        let wish = serde_json::from_value::<CreateMultipartBody>(body).unwrap().into_command().unwrap();
        assert_eq!((wish.name.as_str(), wish.media_type), ("b.c", None));
        let texts = json!({"n": "5", "t": "true", "z": "null", "o": "{\"k\":[1]}", "s": "x"});
        assert_eq!(serde_json::to_value(wish.metadata).unwrap(), texts);
    }

    #[test]
    fn lists_of_parts_are_put_in_order() {
        let parse = |parts: Value| {
            let list: CompleteMultipartBody = serde_json::from_value(json!({ "parts": parts })).unwrap();
            list.into_command().map(|wish| wish.parts.unwrap_or_default())
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
