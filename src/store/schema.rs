//! State of a database's schema: which steps of `migrations/` are applied, and which are to come.

use sqlx::migrate::Migrator;

use super::OpenError;
use crate::domain::clock::Timestamp;

/// A step that the database records as applied.
#[derive(Clone, Debug)]
pub(in crate::store) struct AppliedStep {
    pub(in crate::store) version: i64,
    pub(in crate::store) name: String,
    pub(in crate::store) at: Timestamp,
    pub(in crate::store) finished: bool,
    pub(in crate::store) checksum: Vec<u8>,
}

/// State of a step of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Applied at this time, with this program's checksum.
    Applied(Timestamp),
    /// Not applied.
    Pending,
    /// Applied at this time with another checksum, or not to its end.
    Differs(Timestamp),
    /// Applied at this time by a newer version: this program does not have it.
    Unknown(Timestamp),
}

/// A step of the schema.
#[derive(Clone, Debug)]
pub struct SchemaStep {
    /// Number of the step.
    pub version: i64,
    /// Its name, in words.
    pub name: String,
    /// SHA-384 of the SQL, in hex: as applied, or of this program's text while pending.
    pub checksum: String,
    /// SQL of the step; `None` for a step that this program does not have.
    pub sql: Option<String>,
    /// State of the step in this database.
    pub state: StepState,
}

/// All steps of a database's schema.
#[derive(Clone, Debug)]
pub struct SchemaStatus {
    /// The file, or the server and database.
    pub place: String,
    /// Applied and pending steps, by number.
    pub steps: Vec<SchemaStep>,
}

impl SchemaStatus {
    /// Compares what the database records with the steps of this program.
    pub(in crate::store) fn compare(place: String, known: &Migrator, applied: &[AppliedStep]) -> Self {
        let mut steps: Vec<_> = known
            .iter()
            .map(|step| {
                let found = applied.iter().find(|applied| applied.version == step.version);
                let matches = found.is_some_and(|found| found.finished && found.checksum == *step.checksum);
                let state = match found {
                    Some(found) if matches => StepState::Applied(found.at),
                    Some(found) => StepState::Differs(found.at),
                    None => StepState::Pending,
                };
                let checksum = found.map_or(&*step.checksum, |found| &found.checksum);
                let (version, name) = (step.version, step.description.to_string());
                let sql = Some(step.sql.as_str().to_owned());
                SchemaStep { version, name, checksum: hex::encode(checksum), sql, state }
            })
            .collect();
        let newer = applied.iter().filter(|applied| !known.version_exists(applied.version));
        steps.extend(newer.map(|found| SchemaStep {
            version: found.version,
            name: found.name.clone(),
            checksum: hex::encode(&found.checksum),
            sql: None,
            state: StepState::Unknown(found.at),
        }));
        steps.sort_by_key(|step| step.version);
        Self { place, steps }
    }

    /// Steps that are to be applied, in order.
    pub fn pending(&self) -> impl Iterator<Item = &SchemaStep> {
        self.steps.iter().filter(|step| step.state == StepState::Pending)
    }

    /// Checks that every applied step is one of this program.
    ///
    /// # Errors
    /// [`OpenError::Newer`] or [`OpenError::Differs`].
    pub fn require_known(&self) -> Result<(), OpenError> {
        for step in &self.steps {
            match step.state {
                StepState::Unknown(_) => {
                    let known = self.steps.iter().filter(|step| step.sql.is_some()).map(|step| step.version).max();
                    let known = known.unwrap_or_default();
                    return Err(OpenError::Newer { place: self.place.clone(), found: step.version, known });
                }
                StepState::Differs(_) => {
                    return Err(OpenError::Differs { place: self.place.clone(), step: step.version });
                }
                StepState::Applied(_) | StepState::Pending => {}
            }
        }
        Ok(())
    }

    /// As [`Self::require_known`], and no step is pending.
    ///
    /// # Errors
    /// [`OpenError::Older`] as well.
    pub fn require_current(&self) -> Result<(), OpenError> {
        self.require_known()?;
        let Some(first) = self.pending().next() else { return Ok(()) };
        Err(OpenError::Older { place: self.place.clone(), pending: self.pending().count(), first: first.version })
    }
}
