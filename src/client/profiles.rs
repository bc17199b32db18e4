//! Profiles: addresses of services and keys for them, kept by `gantry login` in `$XDG_CONFIG_HOME/gantry/profiles.json`
//! with mode 0600.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::error::{Error, Result};
use crate::domain::reason::FailureCause;

/// Name of the profile that counts where none is named.
pub const DEFAULT_PROFILE: &str = "default";
const MAX_PROFILE_NAME_BYTES: usize = 64;

/// A service and a key for it. `Debug` does not show the key.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct ServiceProfile {
    /// The service's address.
    pub url: String,
    /// The API key.
    pub key: String,
}

impl fmt::Debug for ServiceProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceProfile").field("url", &self.url).finish_non_exhaustive()
    }
}

impl ServiceProfile {
    /// True if the key is for the service at this address: it is sent nowhere else.
    #[must_use]
    pub fn is_for(&self, url: &str) -> bool {
        let place = |url: &str| {
            let url = Url::parse(url.trim()).ok()?;
            Some((url.origin(), url.path().trim_end_matches('/').to_owned()))
        };
        place(&self.url).is_some_and(|own| place(url) == Some(own))
    }
}

/// The file of profiles.
#[derive(Clone, Debug)]
pub struct ProfileFile {
    path: PathBuf,
}

/// Content of the file.
#[derive(Default, Deserialize, Serialize)]
struct ProfileList {
    profiles: BTreeMap<String, ServiceProfile>,
}

impl ProfileFile {
    /// The file by the environment; `None` without any home directory.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
        Some(Self { path: folder.join("gantry/profiles.json") })
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The profile with this name.
    pub fn find(&self, name: &str) -> Result<Option<ServiceProfile>> {
        Ok(self.read()?.profiles.remove(name))
    }

    /// Names of all profiles.
    pub fn names(&self) -> Result<Vec<String>> {
        Ok(self.read()?.profiles.into_keys().collect())
    }

    /// Keeps a profile, in place of an earlier one with this name.
    pub fn put(&self, name: &str, profile: ServiceProfile) -> Result<()> {
        let mut list = self.read()?;
        list.profiles.insert(name.to_owned(), profile);
        self.write(&list)
    }

    /// Removes a profile; false if there is none with this name.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let mut list = self.read()?;
        let found = list.profiles.remove(name).is_some();
        if found {
            self.write(&list)?;
        }
        Ok(found)
    }

    fn read(&self) -> Result<ProfileList> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ProfileList::default()),
            Err(error) => return Err(Error::local(&self.path)(error)),
        };
        let bad = |error: serde_json::Error| format!("{}: not a list of profiles: {error}", self.path.display());
        serde_json::from_slice(&text).map_err(|error| Error::Other(bad(error).into()))
    }

    /// Writes the whole file under another name and renames it: it is never half there, and never readable by others.
    fn write(&self, list: &ProfileList) -> Result<()> {
        let local = || Error::local(&self.path);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(local())?;
        let text = serde_json::to_vec_pretty(list).map_err(|error| Error::Other(FailureCause::of(error)))?;
        let draft = self.path.with_extension(format!("json.{}", std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(local())?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(local())?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(local())?;
        std::fs::rename(&draft, &self.path).map_err(local())
    }
}

/// Checks a name for a profile.
pub fn check_profile_name(name: &str) -> std::result::Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.len() <= MAX_PROFILE_NAME_BYTES && name.chars().all(fits) {
        return Ok(name.to_owned());
    }
    Err(format!("a profile's name has 1 to {MAX_PROFILE_NAME_BYTES} of a-z, A-Z, 0-9, '-', '_' and '.'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_kept_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = ProfileFile { path: dir.path().join("new/gantry/profiles.json") };
        assert_eq!(file.find("default").unwrap(), None);
        let profile = |url: &str| ServiceProfile { url: url.to_owned(), key: "gk_id.hush".to_owned() };
        file.put("default", profile("https://a.example")).unwrap();
        file.put("b", profile("https://b.example")).unwrap();
        assert_eq!(file.find("b").unwrap(), Some(profile("https://b.example")));
        assert_eq!(file.names().unwrap(), ["b", "default"]);
        assert_eq!(std::fs::metadata(file.path()).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(file.remove("b").unwrap() && !file.remove("b").unwrap());
        assert_eq!(std::fs::read_dir(file.path().parent().unwrap()).unwrap().count(), 1, "no draft is left");
        assert!(!format!("{:?}", profile("x")).contains("hush"));
        std::fs::write(file.path(), "[").unwrap();
        assert!(file.find("default").unwrap_err().to_string().contains("not a list of profiles"));
    }

    #[test]
    fn a_key_is_for_its_own_service() {
        let profile = ServiceProfile { url: "https://a.example/gantry".to_owned(), key: String::new() };
        assert!(profile.is_for("https://a.example:443/gantry/"));
        for other in ["https://a.example", "http://a.example/gantry", "https://b.example/gantry", "nonsense"] {
            assert!(!profile.is_for(other), "{other}");
        }
    }

    #[test]
    fn names_of_profiles() {
        assert!(check_profile_name("prod-1.eu").is_ok());
        assert!(check_profile_name("").is_err() && check_profile_name("a b").is_err());
    }
}
