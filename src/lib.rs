//! # Gantry
//!
//! Large-file uploads and downloads: presigned and resumable, a single asset model, a hand-off that loses no event.
//!
//! ## Glossary
//!
//! * **Asset**: a file as its tenant sees it, with id, name, metadata, state and policy, also before its bytes have
//!   arrived.
//! * **Upload**: the transfer that brings the bytes of an asset, from its creation to completion, abort or expiry.
//! * **Part**: a numbered byte range of an upload, stored by a single UploadPart.
//! * **Part plan**: the sizes of all parts of an upload, derived from its size and the store's limits
//!   ([`domain::plan::PartPlan`]).
//! * **Grant**: a narrow, expiring, revocable permission without an account, to drive an upload or (a link) to
//!   download.
//! * **Tenant**: a customer of the instance, whose assets, keys, policies and events are invisible to all other
//!   tenants.
//! * **Policy**: a tenant's named rules on which files are accepted and how they are processed and delivered.
//! * **Lease**: an exclusive, expiring right to write an upload's ledger or to run a job.
//! * **Fence**: a number that grows with every lease, so that writes of an earlier holder are refused.
//! * **Ledger**: the record of a relayed transfer: acknowledged bytes, their place in the store, and the lease of the
//!   writer.
//! * **Tail**: acknowledged bytes after the last whole part, kept in temporary objects until they fill a part.
//! * **Pin**: a reader's claim on stored content of the embedded store, which keeps it from being removed.
//! * **Feed**: a tenant's events in a single, gapless order; the position in it is the cursor.
//! * **Event**: a record of a state transition, written in the same transaction as the transition.
//! * **Job**: a row of work owed, written in the transaction that caused it and run by a worker under a lease.
//! * **Chore**: a job that recurs once per cluster, such as sweep, retention or the search for orphans.
//! * **Derivative**: an object that processing made from an asset, such as a thumbnail or poster.
//! * **Variant**: the name of a derivative, such as `thumb-256`; it may exist in several formats.
//! * **Unplanned multipart**: an upload in parts whose sizes the client chooses, without a part plan.
//! * **Relayed transfer**: an upload whose bytes come through this service in order (tus, IETF drafts, forms) instead
//!   of going to the store by signed URLs.
//! * **Write token**: a random value in the metadata of an object, which proves that this upload wrote it.
//! * **Quota charge**: the bytes, file and open upload that a row counts towards its tenant's quota.
//! * **Hand-off**: the offer of a stored asset to an external processor through a message broker.
//! * **Report**: an external processor's result for an asset, which ends its hand-off.
//! * **Quarantine**: the time for which the bytes of a rejected asset are kept before they are removed.
//!
//! ## The map
//!
//! State and its rules are in [`domain`], use cases in [`engine`]. The engine depends on two ports, rows ([`store`])
//! and bytes ([`blob`]), each with its adapters beside it. Everything that speaks HTTP is above the engine, a folder
//! per protocol ([`http`]). Only [`app`] knows concrete types. `tests/it/house.rs` reads every `use` and enforces these
//! dependencies:
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
//!        └───────────────▶ domain/ ◀─────────┘   no async, no I/O, no clock, no randomness
//! ```
//!
//! Where to look first:
//!
//! * a rule of the state machine: [`domain::upload`], [`domain::asset`]; they define every transition, and a test draws
//!   the diagram
//! * a step of an upload or a download: the room of [`engine`] (uploads, append, assets, delivery, processing, events,
//!   webhooks, tenants, operations); its file of the use case builds the [`store::Tx`] of rows that are written together
//! * a change of a row that other requests change too: `engine/rows/update.rs`; a repeated request with the same
//!   `Idempotency-Key`: `engine/idempotency.rs`
//! * SQL: `store/sql`, shared by both databases; the schema is in `migrations/`, every column with a comment
//! * a shape on the wire: `http/native/wire.rs` (requests), `http/native/view.rs` (answers); a status or an error code:
//!   `http/problem.rs`
//! * a quirk of some S3 server: `blob/s3`, with the reason beside it
//! * processing of a picture, a film, a document or an archive: [`media`]; the sandbox of its child processes:
//!   `media/child/sandbox.rs`
//! * a metric: [`metrics`], a file per subject; the log filter at run time: [`log_level`]; traces: [`traces`]
//! * a setting: `config/default.toml`, which is the reference
//! * the format of a backup, and why a copy of a running instance is whole: [`backup`]; checks of a whole instance:
//!   `engine/operations/verify`
//! * credentials and how long they are cached: `engine/tenants/identity`; [`keysets`] fetches issuers' keys
//!
//! ## Walkthroughs
//!
//! **Creating an upload.** `POST /v1/uploads` → `native::wire` makes an [`engine::CreateUpload`] → the engine chooses
//! the transfer (a single conditional PUT, or parts by a [`domain::plan::PartPlan`]) → asset, upload and event are
//! written in a transaction *before* the first request to the store → CreateMultipartUpload, with a random write token
//! in its metadata → its id is written → [`blob::presign`] signs the first URLs. A repeated external id or
//! `Idempotency-Key` violates a unique index instead, and the caller gets the open upload back, with the parts that the
//! store lists.
//!
//! **Completing it.** Parts come from the store's own ListParts, never from the client. A transaction moves the upload
//! to `completing`: the caller that commits it runs the completion, and concurrent callers wait for its result.
//! CompleteMultipartUpload follows; a HEAD that compares token and size settles every doubt. A second transaction
//! writes upload, asset, job and events together. After a crash at any point, the next caller or the sweeper finds the
//! row and continues. `engine/uploads/complete.rs` has these steps in order.
//!
//! **Appending to it.** `PATCH /tus/{id}` → the engine takes the lease on the upload's ledger, with a new fence, and
//! asks the current holder to release it → bytes are collected into parts within a memory bound, parts are sent to the
//! store in parallel, and the ledger acknowledges them in order → bytes that do not fill a part become a temporary
//! object under the writer's fence → the last byte starts the completion. A file of a single part takes a PutObject and
//! a transaction. A writer that was suspended and wakes up finds its rows refused, its part numbers skipped and its
//! object keys unshared.
//!
//! **From stored to ready.** The job is written together with the state. A worker leases it ([`worker`]) and runs the
//! steps (`worker/processors`): read (digest, type) → scan → media (facts and derivatives, by [`media`]'s sandboxed
//! child processes) → hand-off to an external processor, whose report ends the job. Results of a step are kept with the
//! job, so that a retry continues at the step that failed. A transaction writes the outcome and the end of the job,
//! fenced by the attempt: a worker that lost its lease writes nothing. An unavailable dependency of a job uses up no
//! retry; a crash does. Chores (sweep, retention, orphans, counts, alarms) are jobs that recur, once per cluster.
//!
//! **Delivering.** A permission check ([`domain::access`]) and a check that the asset is `ready`, then a 302 to a URL
//! that is signed for minutes, or a stream that is bound to the recorded entity tag. If the store breaks off, the rest
//! is requested again; a client never gets a truncated file that looks complete. On a connection without TLS, the
//! kernel sends bytes of the embedded store from file to socket: [`sendfile`]. Assets and content that were read
//! moments ago are cached (`engine/delivery/asset_cache.rs`, `blob/embedded/core.rs`).
//!
//! **Publishing events.** Every transition writes its event in its own transaction. After the commit, the first reader
//! assigns pending events their positions in the tenant's feed, a single numberer at a time (`store/sql/feed.rs`): the
//! position is the cursor of every reading API, on every node. Followers on a node share a reader
//! (`engine/events/hub.rs`), which commits wake: at once on the same node, by NOTIFY from other nodes, and at worst by a
//! poll twice a second.
//!
//! **Sending webhooks.** The feed is the outbox. The row of an endpoint holds its position in the feed; the dispatcher
//! of any node reads on from there, and in a transaction writes a delivery and its job for each subscribed event and
//! moves the position, by compare-and-set: a single dispatcher succeeds (`engine/webhooks/dispatch.rs`). The job of a
//! delivery is a signed request to an IP address that was checked after resolution ([`domain::egress`],
//! `worker/webhooks`); a transaction writes the response, the next attempt and the end of the job, fenced by the
//! attempt. After a crash in between, the request is sent again, with the same id.
//!
//! **Sweeping.** `upload.next_check_at` and `asset.purge_at` say when the sweeper must look: to rescue an upload whose
//! parts are all there, expire an upload, finish a stuck completion, or remove leftovers of an ended upload. Sweeps may
//! run on any node, at any time, concurrently: every change is compare-and-set.
//!
//! ## Invariants
//!
//! * A byte, a state or a job is acknowledged when it is durable, not before.
//! * Time and randomness are parameters: `.clippy.toml` refuses their sources outside [`domain::clock`].
//! * Transactions are values, executed in tasks of the store; no client can cancel a transaction midway.
//! * A single error enum by meaning ([`engine::Error`]), an exhaustive renderer per protocol, no upstream text in
//!   answers.
//! * An id of another tenant is answered like an unknown id. Names given by users never become paths or keys.
//! * Memory and time are bounded by settings, never by the size or number of files.
#![forbid(unsafe_code)]

pub mod app;
pub mod backup;
pub mod blob;
pub mod cli;
pub mod client;
pub mod config;
pub mod crash;
pub mod domain;
pub mod engine;
pub mod http;
pub mod keysets;
pub mod log_level;
pub mod machine;
pub mod media;
pub mod metrics;
pub mod sendfile;
pub mod store;
pub mod traces;
pub mod worker;
