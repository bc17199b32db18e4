//! Backups of an embedded instance: the format of a backup folder, and copying into and out of it.
//!
//! ```text
//! DIR/lock                    held while a backup is written
//! DIR/files/ab/ab12…          data files of the store, shared by all points: a file never changes under its name
//! DIR/points/NAME/            a point: the instance as it was at one instant
//!     gantry.db store.db      both databases, each a single file without a log
//!     signing.key store.key   keys of the data directory, mode 600
//!     manifest.ndjson         every file of the point with size and SHA-256; its last line seals it
//! DIR/points/.unfinished/     the point that is being written, or that a killed backup has left
//! ```
//!
//! **The cut.** Both databases are copied as they were at the same instant: two read transactions begin with no commit to
//! `gantry.db` between them ([`cut_together`]).
//! A point is therefore the state that `kill -9` at this instant would have left, from which every path of the service
//! recovers: rows name only objects that the store has, acknowledged bytes of uploads in flight are there, and a
//! completion that was under way is finished by its next caller or by the sweeper.
//!
//! **Files.** The store removes no data file while a backup holds its removal lock, so that every file of the cut can
//! be copied, however long that takes. Data files are written once, and a transaction names a file only when it is
//! durable: a file of the cut is complete and never changes. A later backup copies only files that the folder lacks.
//!
//! **Atomicity.** A point is built in `.unfinished`, made durable together with its data files, and renamed: a killed
//! backup leaves all earlier points as they were, and its own is never taken for a whole one. Data files that it has
//! copied are kept by the next backup, which reads them and compares them with the checksum in the store's row.
//!
//! **Restore.** A marker file stands in the data directory from before the first file until all files are durable.
//! Every command refuses a directory with the marker; the next restore continues.
//!
//! Must not know rows or objects: [`crate::app`] brings the databases.

mod folder;
mod manifest;
mod prune;
mod sqlite;
mod transfer;

pub use folder::{BackupFolder, UnfinishedPoint};
pub use manifest::{ManifestEntry, ManifestReader, ManifestTotals, ManifestWriter, PointHeader};
pub use prune::{PruneReport, prune_points};
pub use sqlite::{CommitWatch, DatabaseSnapshot, cut_together, is_disk_full, open_copy};
pub use transfer::{CopiedFile, CopyAttributes, copy_file, digest_file, sync_directory};
