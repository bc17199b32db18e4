//! The end of an upload: digest, completion, and the result of processing.

use super::UploadRun;
use super::digest::BackgroundHash;
use crate::client::error::{Error, Result, ServerRefusal};
use crate::client::progress::TransferEvent;
use crate::client::wire::ApiAsset;
use crate::domain::checksum::Sha256Digest;

impl UploadRun<'_> {
    /// The file's digest, after checking that the file has not changed and that the digest is the expected value.
    pub(super) async fn finish_digest(&self, hashing: &mut BackgroundHash) -> Result<Sha256Digest> {
        self.track.set_activity("hashing");
        let digest = hashing.finish().await?;
        self.source.ensure_unchanged()?;
        match self.uploader.options.sha256 {
            Some(expected) if expected != digest => {
                Err(Error::Integrity(format!("the file has {digest}, not {expected}; the upload was discarded")))
            }
            _ => Ok(digest),
        }
    }

    /// Completes the upload. `None`: the server lacks parts, or no longer has the upload.
    pub(super) async fn complete_upload(&mut self, digest: Sha256Digest) -> Result<Option<ApiAsset>> {
        let Some(upload) = self.upload_id() else { return Ok(None) };
        self.track.set_activity("completing");
        let answer = self.uploader.api.complete_upload(upload, digest, &self.track).await;
        self.track.set_activity("");
        match answer {
            Ok(asset) => {
                self.note_finished(&asset)?;
                Ok(Some(asset))
            }
            Err(Error::NotFound(_)) => {
                self.entry.clear()?;
                Ok(None)
            }
            Err(Error::Refused(ServerRefusal { code, .. })) if code == "incomplete" => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Records that all bytes are stored as this asset.
    pub(super) fn note_finished(&mut self, asset: &ApiAsset) -> Result<()> {
        self.entry.record_finished(&asset.id)?;
        self.track.report(&TransferEvent::Completed { asset: &asset.id });
        Ok(())
    }

    /// Waits for the result of processing, if the command waits. `digest`: the expected digest of the asset.
    pub(super) async fn wait_for_verdict(&mut self, asset: ApiAsset, digest: Option<Sha256Digest>) -> Result<ApiAsset> {
        let asset = if self.uploader.options.wait && !self.uploader.is_bulk() && !asset.is_settled() {
            self.track.set_activity("processing");
            self.uploader.api.wait_until_settled(&asset.id, &self.track).await?
        } else {
            asset
        };
        self.track.report(&TransferEvent::Settled { asset: &asset.id, state: &asset.state });
        let verdict = check_asset(&asset, digest);
        if verdict.is_err() {
            // Sending the file again must not find this upload.
            self.entry.clear()?;
        }
        verdict.map(|()| asset)
    }
}

/// Checks an asset's state and digest.
pub fn check_asset(asset: &ApiAsset, digest: Option<Sha256Digest>) -> Result<()> {
    let why = match &asset.reason {
        Some(reason) => format!("{} ({})", reason.message.trim_end_matches('.'), reason.code),
        None => "no reason was given".to_owned(),
    };
    match asset.state.as_str() {
        "rejected" if asset.reason.as_ref().is_some_and(|reason| reason.code == "digest_mismatch") => {
            Err(Error::Integrity(format!("the asset {} was rejected: {why}", asset.id)))
        }
        "rejected" => Err(Error::Blocked(format!("the asset {} was rejected: {why}", asset.id))),
        "failed" => Err(Error::Other(format!("the asset {} could not be processed: {why}", asset.id).into())),
        "deleted" | "abandoned" => Err(Error::Other(format!("the asset {} is {}", asset.id, asset.state).into())),
        _ => match (digest, &asset.sha256) {
            (Some(digest), Some(there)) if hex::encode(digest.0) != *there => {
                Err(Error::Integrity(format!("the asset {} has the digest {there}, the file has {digest}", asset.id)))
            }
            _ => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::wire::ApiReason;

    fn exit_code(state: &str, code: Option<&str>, sha256: Option<&str>) -> u8 {
        let asset = ApiAsset {
            id: "a".to_owned(),
            state: state.to_owned(),
            filename: "f".to_owned(),
            size: 0,
            sha256: sha256.map(str::to_owned),
            reason: code.map(|code| ApiReason { code: code.to_owned(), message: "Words.".to_owned() }),
            created_at: String::new(),
        };
        check_asset(&asset, Some(Sha256Digest([0; 32]))).err().map_or(0, |error| error.exit_code())
    }

    #[test]
    fn every_end_has_its_exit_code() {
        let (zeros, ones) = ("00".repeat(32), "11".repeat(32));
        assert_eq!(exit_code("ready", None, Some(&zeros)), 0);
        assert_eq!(exit_code("ready", None, None), 0);
        assert_eq!(exit_code("ready", None, Some(&ones)), 6);
        assert_eq!(exit_code("rejected", Some("digest_mismatch"), None), 6);
        assert_eq!(exit_code("rejected", Some("virus"), None), 9);
        assert_eq!(exit_code("failed", Some("gave_up"), None), 1);
        assert_eq!(exit_code("deleted", None, None), 1);
        assert_eq!(exit_code("stored", None, None), 0, "whoever does not wait");
    }
}
