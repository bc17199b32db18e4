//! # Gantry
//!
//! Large-file uploads and downloads: presigned and resumable, one asset model, a hand-off that loses nothing.
//!
//! ## The map
//!
//! Nouns live in [`domain`], verbs in [`engine`]. Two ports stand below the engine, rows ([`store`]) and bytes
//! ([`blob`]), each with its adapters beside it. What speaks HTTP stands above, one folder per protocol ([`http`]).
//! Only [`app`] knows concrete types. `tests/it/house.rs` reads every `use` and holds this:
//!
//! ```text
//!   main ─▶ cli ─▶ config ─▶ app (composition root)
//!                             │
//!        ┌────────────────────┼──────────────────┐
//!        ▼                    ▼                  ▼
//!      http/               worker/            client/  (the CLI's put and get: HTTP only, as any client)
//!   native · companion ·  claim · run ·
//!   tus · ietf ·          settle
//!   download · events ·
//!   webhooks · ops · web
//!        │                    │
//!        ▼                    ▼
//!      engine/   create ▶ sign | append ▶ complete ▶ process ▶ deliver · abort · sweep
//!        │                                   │
//!        ▼                                   ▼
//!      store/  SQLite, PostgreSQL          blob/  s3 (any S3) · embedded (an S3 server of our own)
//!        │                                   │
//!        └───────────────▶ domain/ ◀─────────┘   no async, no I/O, no clock, no dice
//! ```
//!
//! Where to look first:
//!
//! * a rule of the state machine: [`domain::upload`], [`domain::asset`]; every transition is there, and a test draws it
//! * what is written together: the verb's file in [`engine`], where a [`store::Tx`] is put together
//! * SQL: `store/sql`, one body for both databases; the schema is in `migrations/`, every column with a comment
//! * a shape on the wire: `http/native/wire.rs`; a status or a code: `http/problem.rs`
//! * a quirk of some S3 server: `blob/s3`, with the reason beside it
//! * what becomes of a picture, a film, a document or an archive: [`media`]; what its children may do: `media/child/sandbox.rs`
//! * a setting: `config/default.toml`, which is the reference
//! * whose credential counts, and for how long that is remembered: `engine/identity`; [`keysets`] fetches issuers' keys
//!
//! ## Walkthroughs
//!
//! **Creating an upload.** `POST /v1/uploads` → `native::wire` makes a [`engine::CreateUpload`] → the engine chooses how the
//! bytes will travel (one conditional PUT, or parts after a [`domain::plan::PartPlan`]) → asset, upload and event are
//! written in one transaction *before* the store hears of anything → CreateMultipartUpload, stamped with a random write
//! token → its id is written → the first URLs are signed by [`blob::presign`]. The same external id or `Idempotency-Key`
//! runs into a unique index instead and gets the open upload back, with the parts that the store lists.
//!
//! **Completing it.** Parts come from the store's own ListParts, never from the client. One transaction moves the upload to
//! `completing`; whoever committed it holds it, others wait. CompleteMultipartUpload; every doubt is settled by HEAD, token
//! and size. A second transaction writes upload, asset, job and events together. Crash anywhere: the next caller, or the
//! sweeper, finds the row and goes on. `engine/complete.rs` tells it in order.
//!
//! **Appending to it.** `PATCH /tus/{id}` → the engine takes the lease on the upload's ledger, with a fence of its own, and
//! asks whoever holds it to let go → bytes are collected into parts within a bound on memory, parts go to the store side
//! by side, the ledger follows them in order → what does not fill a part becomes a temporary object under the writer's
//! fence → with the last byte, completion. A file of one part is one PutObject and one transaction. A writer that was
//! frozen and wakes up finds its rows refused, its part numbers skipped and its keys its own.
//!
//! **From stored to ready.** The job was written with the state. A worker leases it ([`worker`]) and walks the pipeline
//! (`worker/processors`): read (digest, type) → scan → media (facts and derivatives, by [`media`]'s locked-in children) →
//! offer to somebody else's processor, whose report ends the job. What a step found is kept with the job, so the next try goes
//! on at the step that failed. Outcome and end of the job are one transaction, fenced by the attempt: a worker that lost its
//! lease writes nothing. Whom a job needs and who is away costs it no try; a crash does. Chores (sweep, retention, orphans,
//! counts, alarms) are jobs that come round, once per cluster.
//!
//! **Delivering.** One permission ([`domain::access`]), one question (is it `ready`?), then a 302 to a URL that is signed
//! for minutes, or a stream pinned to the recorded entity tag. A store that breaks off is asked for the rest; a client
//! never gets a short file that looks whole. From the embedded store to a plain connection the bytes take no way through us:
//! [`sendfile`]. What was asked for a moment ago is at hand (`engine/deliver/fetched.rs`, `blob/embedded/core.rs`).
//!
//! **Telling of it.** Every transition writes its event in its own transaction. After the commit, whoever reads first gives
//! pending events their places in the tenant's feed, one numberer at a time (`store/sql/feed.rs`): the place is the cursor of
//! every way to read, on every node. Followers of a node share one reader (`engine/feed/hub.rs`), which commits wake: here at
//! once, from other nodes by NOTIFY, at worst by looking twice a second.
//!
//! **Telling webhooks.** The feed is the outbox. An endpoint's row holds its place in it; any node's dispatcher reads on from
//! there, and in one transaction writes a delivery and its job for each event that is wanted and moves the place, by
//! compare-and-set: one of them succeeds (`engine/webhooks/dispatch.rs`). A delivery's job is one signed request to an address
//! that was judged as a number ([`domain::egress`], `worker/webhooks`); the answer, the next try and the job's end are one
//! transaction, fenced by the attempt. Died in between: it is sent again, with the id that it had.
//!
//! **Sweeping.** `upload.look_at` and `asset.purge_at` say when somebody must look: to rescue an upload whose every part is
//! there, expire one, finish one that got stuck, remove what an ended one left. Any node, any time, twice at once: every
//! change is compare-and-set.
//!
//! ## Rules of the house
//!
//! * A byte, a state or a job is acknowledged when it is durable, not before.
//! * Time and chance are parameters: `.clippy.toml` refuses their sources outside [`domain::clock`].
//! * Transactions are values, carried out in tasks of the store's own; no client can cancel one in the middle.
//! * One error enum by meaning ([`engine::Error`]), one exhaustive renderer per protocol, no upstream text in answers.
//! * A foreign id answers like an unknown one. Names of users never become paths or keys.
//! * Memory and time are bounded by settings, never by the size or number of files.
#![forbid(unsafe_code)]

pub mod app;
pub mod blob;
pub mod cli;
pub mod client;
pub mod config;
pub mod crash;
pub mod domain;
pub mod engine;
pub mod http;
pub mod keysets;
pub mod media;
pub mod sendfile;
pub mod store;
pub mod worker;
