//! Processes of the service, as their rows show them to operators.

use uuid::Uuid;

use super::clock::Timestamp;
use super::upload::Upload;

impl Upload {
    /// Records the process that works on the upload from now on.
    #[must_use]
    pub fn serve_from(mut self, node: &str) -> Self {
        if self.node.as_deref() != Some(node) {
            self.node = Some(node.to_owned());
        }
        self
    }
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// Answers requests, and works on jobs.
    Serve,
    /// Works on jobs alone.
    Work,
}

impl NodeRole {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Serve, Self::Work];

    /// The role's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Work => "work",
        }
    }
}

/// A process as it says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Random id of this run of the process.
    pub id: Uuid,
    /// Host and process id.
    pub name: String,
    /// What it does.
    pub role: NodeRole,
    /// Version of the program.
    pub version: String,
}

/// The row of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceNode {
    /// Random id of this run of the process.
    pub id: Uuid,
    /// Host and process id.
    pub name: String,
    /// Name of its role; of a newer version it may be unknown here.
    pub role: String,
    /// Version of the program.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was seen last, by the database's clock.
    pub seen_at: Timestamp,
    /// Microseconds by which its clock is ahead of the database's; negative: behind.
    pub skew_micros: i64,
    /// Bytes of files that arrived in the last whole minute.
    pub bytes_in: u64,
    /// Bytes of downloads that it began to send in that minute.
    pub bytes_out: u64,
}
