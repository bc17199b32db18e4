//! Meanings of members of answers: a sentence each, so that a name means the same in every answer.
//!
//! A member is looked up by its shape and name (`Asset.digest`, for nested members `Asset.scan.engine`), then by its
//! name alone. A test verifies that every member in the document has a sentence. Pure.

use serde_json::Value;

/// Adds descriptions to the members of a schema. `at`: the shape's name, or the operation whose answer it is.
pub(super) fn add_descriptions(schema: &mut Value, at: &str) {
    if let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, member) in members {
            let place = format!("{at}.{name}");
            add_descriptions(member, &place);
            if let (Some(sentence), Some(member)) = (member_description(&place, name), member.as_object_mut()) {
                member.entry("description").or_insert_with(|| sentence.into());
            }
        }
    }
    if let Some(items) = schema.get_mut("items") {
        add_descriptions(items, at);
    }
    for choice in schema.get_mut("anyOf").and_then(Value::as_array_mut).into_iter().flatten() {
        add_descriptions(choice, at);
    }
}

/// Description of a member. A shape that has all members of another shape inherits their descriptions.
fn member_description(place: &str, name: &str) -> Option<&'static str> {
    let parent = SHAPE_PARENTS.iter().find_map(|(child, parent)| {
        let rest = place.strip_prefix(child)?.strip_prefix('.')?;
        Some(format!("{parent}.{rest}"))
    });
    let known =
        |wanted: &str| MEMBER_DESCRIPTIONS.iter().find(|(known, _)| *known == wanted).map(|(_, sentence)| *sentence);
    known(place).or_else(|| parent.as_deref().and_then(known)).or_else(|| known(name))
}

/// Shapes that have all members of another shape and more.
const SHAPE_PARENTS: [(&str, &str); 5] = [
    ("KeyWithSecret", "Key"),
    ("LinkOrNot", "Link"),
    ("MadeLink", "Link"),
    ("Standing", "Tenant"),
    ("WebhookWithSecret", "Webhook"),
];

const MEMBER_DESCRIPTIONS: &[(&str, &str)] = &[
    // Names with the same meaning everywhere.
    ("asset", "The asset."),
    ("asset_id", "The asset's id; null where there is none."),
    ("at", "When it happened."),
    ("changed_at", "When it last changed."),
    ("content_type", "The media type."),
    ("created_at", "When it was made."),
    ("error", "Why this one was refused; the other results stand."),
    ("expires_at", "When it ends to be valid."),
    ("id", "Its id."),
    ("limits", "What every protocol goes by."),
    ("next", "The cursor of the next page; null at the end of the list."),
    ("next_after", "The cursor of the next page; null at the end of the list."),
    ("next_cursor", "Where the next request goes on; null when everything was looked at."),
    ("old_secret_until", "Until when the secret before the last rotation works as well; null if there is none."),
    ("request_id", "The id of the request, as logs name it."),
    ("results", "One result for each id that was asked for, in the same order."),
    ("size", "Bytes."),
    ("url", "The address; whoever has it needs no other credential."),
    // Problems.
    ("Problem.type", "A URI of the kind of problem, as in RFC 9457."),
    ("Problem.title", "The reason phrase of the status."),
    ("Problem.status", "The HTTP status."),
    ("Problem.detail", "What went wrong, for people."),
    ("Problem.code", "What went wrong, for programs; every operation lists its codes."),
    ("Problem.retryable", "Whether the same request can succeed later; `Retry-After` says when."),
    ("Problem.field", "Of `invalid`: the member or parameter that makes no sense."),
    ("Problem.limit", "The limit that was reached: bytes, or the name of a quota."),
    ("Problem.state", "The state that forbids it."),
    ("Problem.missing", "Of `incomplete`: the parts that are missing, like `3,7-9`."),
    ("Problem.part", "Of `parts_differ`: the first part that differs."),
    ("Problem.reason", "Of `rejected`: the code of the verdict."),
    ("Problem.offset", "Of `offset_mismatch`: how many bytes are safe."),
    ("Problem.expected-offset", "Where the upload stands, as the IETF's problem types name it."),
    ("Problem.provided-offset", "The offset that the request named."),
    ("CompanionError.error", "What went wrong, for programs."),
    ("CompanionError.message", "What went wrong, for people."),
    ("CompanionError.requestId", "The id of the request, as logs name it."),
    // Limits.
    ("Limits.max_size", "The largest file in bytes."),
    ("Limits.max_put_size", "The largest file in bytes that one signed PUT takes."),
    ("Limits.max_append_size", "The largest file in bytes that is sent by appending (tus, IETF, forms, one PUT)."),
    (
        "Limits.max_append_request_size",
        "The largest body of one such request in bytes, where the operator has set a bound for proxies.",
    ),
    ("Limits.min_part_size", "The least bytes of every part but the last."),
    ("Limits.max_part_size", "The most bytes of a part."),
    ("Limits.max_parts", "The most parts of a file."),
    ("Limits.max_filename_characters", "The longest filename in characters."),
    ("Limits.max_filename_bytes", "The longest filename in bytes of UTF-8."),
    ("Limits.max_metadata_bytes", "The most bytes of an asset's metadata as JSON."),
    ("Limits.upload_expires_in", "Seconds after which an upload that is not complete is given up."),
    ("Limits.url_expires_in", "Seconds for which a signed URL is good."),
    ("Limits.max_link_expires_in", "The longest life of a link in seconds."),
    ("Limits.checksums", "Algorithms whose checksums of parts are verified."),
    ("Capabilities.conditional_put", "Whether the store honours `If-None-Match: *` on a PUT."),
    ("Capabilities.part_checksums", "Whether the store refuses parts that do not fit their checksum."),
    ("Capabilities.undeclared_checksums", "Whether parts may carry checksums that were not announced."),
    ("Capabilities.unequal_parts", "Whether parts of different sizes make one object."),
    ("Capabilities.repeated_complete", "Whether a repeated completion gets the first answer."),
    ("Capabilities.metadata", "Whether the store gives metadata back."),
    ("Capabilities.enforces_limits", "Whether the store refuses bytes beyond the limit that a signed URL names."),
    ("Capabilities.cors", "Whether browsers on this origin may PUT; null if that was not found out."),
    // Uploads.
    ("Opened.upload", "The upload."),
    ("Opened.grant", "A credential for this one upload, to be handed to whoever sends the file."),
    ("Opened.endpoints", "Where the holder of the grant sends the file, without any other credential."),
    ("Opened.endpoints.tus", "For tus 1.0 clients."),
    ("Opened.endpoints.files", "For clients of the IETF's resumable uploads."),
    ("Opened.endpoints.s3", "What Uppy's S3 plugin asks of its Companion."),
    ("Opened.endpoints.companion", "The `companionEndpoint` of Uppy's S3 plugin."),
    ("Opened.endpoints.form", "For forms."),
    ("Opened.endpoints.events", "The upload's events, for `EventSource`."),
    ("Opened.put", "One signed PUT for the whole file; only of uploads that travel so."),
    ("Opened.multipart", "The plan of parts and the first URLs; only of uploads that travel so."),
    ("Opened.multipart.part_size", "Bytes of every part but the last."),
    ("Opened.multipart.part_count", "How many parts there are."),
    ("Opened.multipart.urls", "Signed URLs for parts that are missing; `signParts` gives more."),
    ("method", "The HTTP method."),
    ("headers", "Headers that have to be sent as they are: the signature covers them."),
    ("PartUrl.part", "The number of the part, from 1."),
    ("PartUrl.url", "Where the part is sent by PUT."),
    ("PartUrls.urls", "The URLs that were asked for; not of the compact form."),
    ("PartUrls.template", "Of the compact form: a URL with `{part}` and `{signature}` to be filled in."),
    ("PartUrls.parts", "Of the compact form: the parts, in the order of the signatures."),
    ("PartUrls.part_size", "Of the compact form: bytes of every part but the last."),
    ("PartUrls.size", "Of the compact form: bytes of the file."),
    ("PartUrls.signatures", "Of the compact form: one signature for each part."),
    ("Upload.asset_id", "The asset that the file becomes."),
    ("Upload.state", "Where it stands; every state but `open` and `completing` is final."),
    ("Upload.protocol", "The protocol by which it was opened."),
    ("Upload.method", "How its bytes travel: `put`, `multipart` or `append`."),
    ("Upload.size", "The file's length in bytes, once it is known."),
    ("Upload.max_size", "The most bytes of a file that is still to be chosen."),
    ("Upload.part_size", "Bytes of every part but the last, where it travels in parts."),
    ("Upload.part_count", "How many parts there are, where it travels in parts."),
    ("Upload.received", "The parts that the store has."),
    ("Upload.received.part", "The number of the part."),
    ("Upload.received_bytes", "How many bytes are safe."),
    ("Upload.external_id", "The caller's own id for it."),
    ("Upload.expires_at", "When it is given up unless it is complete."),
    ("checkUpload.accepted", "Always true: what is not accepted is a problem."),
    ("Completed.upload", "The upload, which is complete."),
    ("Completed.upload.state", "Its state."),
    ("Completed.upload.size", "The file's length in bytes."),
    ("Completed.asset", "The asset that the file became."),
    // Assets.
    ("Asset.state", "Where it stands; only a `ready` asset is handed out."),
    ("Asset.filename", "The file's name."),
    ("Asset.size", "The file's length in bytes."),
    ("Asset.content_type", "The type as found in the bytes, or as declared while nothing is found yet."),
    ("Asset.charset", "The encoding of a text, as found in the bytes or declared."),
    ("Asset.declared_content_type", "The type that the sender declared."),
    ("Asset.digest", "The SHA-256 of the bytes with the name of the algorithm, once it is known or declared."),
    ("Asset.sha256", "The same SHA-256 as bare hexadecimal digits."),
    ("Asset.external_id", "The caller's own id for it."),
    ("Asset.policy", "The name of the policy under which it was created."),
    ("Asset.delete_at", "When it will be deleted by its policy."),
    ("Asset.metadata", "What the caller keeps with it: any JSON, and up to the limit of bytes."),
    ("Asset.details", "Facts that processing found: width, height, duration, pages and the like, by type."),
    ("Asset.scan", "The scan for viruses, if there was one."),
    ("Asset.scan.engine", "The scanner and its version."),
    ("Asset.problems", "What could not be done although the asset is ready."),
    ("Asset.reason", "Why it is in this state; null unless it was rejected or failed."),
    ("code", "What it is, for programs."),
    ("message", "What it is, for people."),
    ("Asset.derivatives", "Smaller forms that were made of it."),
    ("variant", "The name of a derivative."),
    ("Asset.derivatives.width", "Pixels from left to right."),
    ("Asset.derivatives.height", "Pixels from top to bottom."),
    ("listAssets.assets", "The assets, newest first."),
    ("createThumbnailUrls.results.id", "The id as it was asked for."),
    ("getAssets.results.id", "The id as it was asked for."),
    ("getAssets.results.asset", "The asset, if there is such a one."),
    // Links.
    ("links", "The links, newest first."),
    ("createLinks.links", "A link or a problem for each wish, in the same order."),
    ("Link.asset_id", "The asset that it opens; null for a link to a collection."),
    ("Link.collection_id", "The collection that it opens; null for a link to an asset."),
    ("Link.created_by", "The id of the key that made it."),
    ("Link.revoked_at", "When it was withdrawn; null while it is good."),
    ("Link.disposition", "Whether browsers save the file or show it."),
    ("Link.filename", "The name under which it is saved; null for the asset's own."),
    ("Link.variant", "The derivative that it opens; null for the file itself."),
    ("Link.format", "The derivative's format; null for the usual one."),
    ("Link.uses", "How often it may be used; null for any number."),
    ("Link.used", "How often it was used."),
    ("Link.last_used_at", "When it was last used; null for never."),
    ("Link.ip", "The network that it is good for; null for any."),
    ("Link.url", "What it opens by; shown when it is made and never again."),
    ("Link.error", "Why there is no link; then nothing else is there."),
    ("revoked", "How many links were withdrawn."),
    ("createCollection.count", "How many assets it has."),
    ("createCollection.name", "The archive's name."),
    ("createCollection.size", "Bytes of the archive."),
    ("createCollection.link", "The link that opens it."),
    // Events and webhooks.
    ("Event.id", "Its place in the tenant's feed: the cursor of every way to read."),
    ("Event.type", "What happened, like `asset.ready`."),
    ("Event.asset_id", "The asset that it happened to."),
    ("Event.seq", "Its place among the asset's own events, from 1."),
    ("Event.data", "The asset or upload as it was then."),
    ("events", "The events, oldest first."),
    ("getEvents.next", "Behind which event the next page begins; there is always one."),
    ("getAssetEvents.next", "Behind which event the next page begins; there is always one."),
    ("getUploadEventsByGrant.next", "Behind which event the next page begins; there is always one."),
    ("Webhook.url", "Where events are sent."),
    ("Webhook.description", "What it is for, in the caller's words."),
    ("Webhook.events", "Which events are sent: `*`, `asset.*` or whole names."),
    ("Webhook.state", "Whether events are sent."),
    ("Webhook.reason", "Why it was disabled."),
    ("Webhook.disabled_at", "When it was disabled; null while it is active."),
    ("Webhook.failing_since", "Since when nothing but failures came back; null if it answers."),
    ("WebhookWithSecret.secret", "What signatures are made with; shown this once."),
    ("listWebhooks.webhooks", "Every endpoint of the tenant."),
    ("Delivery.state", "Whether it arrived, is tried again, or was given up."),
    ("Delivery.message_id", "The id that the endpoint sees, the same for every try."),
    ("Delivery.type", "The type of the event."),
    ("Delivery.event_id", "The event; null for a test."),
    ("Delivery.seq", "The event's place among those of its asset."),
    ("Delivery.replay", "Whether it was asked for once more."),
    ("Delivery.tries", "How often it was tried."),
    ("Delivery.last_status", "The status that the endpoint answered last; null if it did not answer."),
    ("Delivery.problem", "Why the last try failed; null if it did not."),
    ("Delivery.next_try_at", "When it is tried again; null if it is not."),
    ("Delivery.finished_at", "When it arrived or was given up."),
    ("Delivery.attempts", "The last tries, oldest first."),
    ("Delivery.attempts.status", "The status of the answer; null if there was none."),
    ("Delivery.attempts.millis", "How long it took in milliseconds."),
    ("Delivery.attempts.problem", "Why it failed; null if it did not."),
    ("listDeliveries.deliveries", "The deliveries, newest first."),
    ("replayed", "How many deliveries were made."),
    // Processing.
    ("SignedUrl.url", "The address, which is signed and good for a while."),
    ("getProcessingTask.filename", "The file's name."),
    ("getProcessingTask.size", "The file's length in bytes."),
    ("getProcessingTask.content_type", "The type as found in the bytes."),
    ("getProcessingTask.digest", "The SHA-256 of the bytes with the name of the algorithm."),
    ("getProcessingTask.metadata", "What the caller keeps with the asset."),
    ("getProcessingTask.report_until", "Until when a report counts; afterwards the asset is offered again."),
    ("getProcessingTask.offers", "How often the asset was offered."),
    ("getProcessingTask.content", "Where the bytes are."),
    ("reportProcessing.state", "The asset's state after the report."),
    ("enqueued", "How many assets will be looked at again."),
    ("skipped", "How many are under way already, or are in a state that forbids it."),
    // Administration.
    ("kind", "The kind of job."),
    ("Job.state", "Whether it waits, runs, or was given up."),
    ("Job.attempt", "How often a worker took it."),
    ("Job.tries", "How often it was tried, without those that others are to blame for."),
    ("Job.due_at", "When it is to run, or its lease ends."),
    ("Job.last_error", "Why the last try failed."),
    ("Job.steps_done", "The steps of processing that need not be repeated; null for other jobs."),
    ("listJobs.jobs", "The jobs."),
    ("retried", "How many jobs are ready again."),
    ("listQueues.queues", "Every kind of job."),
    ("paused", "Whether no worker takes jobs of this kind."),
    ("ready", "How many wait."),
    ("running", "How many run."),
    ("dead", "How many were given up."),
    ("oldest_due_at", "When the oldest of those that wait was due; null if none waits."),
    ("listChores.chores", "Every chore."),
    ("listChores.chores.name", "The chore's name."),
    ("listChores.chores.state", "Whether it waits, runs, or was given up."),
    ("next_at", "When it comes round next."),
    ("last_at", "When it last ended; null if it never did."),
    ("last_millis", "How long that took in milliseconds."),
    ("last_report", "What it then did, by its own counts; null if it never ended."),
    ("last_error", "Why the last try failed; null if it did not."),
    ("dry_run", "Whether nothing was done."),
    ("would", "What it would do, by its own counts."),
    ("begins", "Always true: it begins on one of the nodes."),
    ("hours", "One entry for each hour and type of event in which there was any."),
    ("hour", "The beginning of the hour."),
    ("getStats.hours.type", "The type of event."),
    ("count", "How many there were."),
    ("bytes", "Bytes of the files that it happened to."),
    ("alarms", "What an operator should look at now; empty if there is nothing."),
    ("sentence", "What it is, for people."),
    ("entries", "The entries, newest first."),
    ("AuditEntry.actor", "Who did it: a key, a link, a grant, the system."),
    ("AuditEntry.action", "What was done, like `asset.delete`."),
    ("AuditEntry.subject", "The thing that it was done to, like `asset:019aa3c1-…`."),
    ("AuditEntry.before", "What was changed, as it was before."),
    ("AuditEntry.after", "What was changed, as it was afterwards."),
    ("AuditEntry.peer", "The address that the request came from."),
    ("database", "Whether the database answers."),
    ("store", "Whether the object store answers."),
    ("draining", "Whether this process is about to end."),
    ("capabilities", "What the object store was found to be capable of."),
    ("getReadiness.ready", "Whether this process can serve."),
    // Keys, tenants, policies.
    ("keys", "The keys, without their secrets."),
    ("Key.tenant_id", "The tenant that it acts in."),
    ("Key.name", "What it is for, in the caller's words."),
    ("Key.scopes", "What it allows."),
    ("Key.expires_at", "When it ends; null for never."),
    ("Key.revoked_at", "When it was revoked; null while it is good."),
    ("Key.last_used_at", "When it was last used, to the minute; null for never."),
    ("KeyWithSecret.key", "The key itself; shown this once."),
    ("tenants", "The tenants, by name."),
    ("Tenant.name", "Its name."),
    ("Tenant.suspended_at", "When it was suspended; null while it is not."),
    ("Tenant.rate", "How fast it may ask on each node; null for any speed."),
    ("Tenant.rate.per_second", "Requests per second."),
    ("Tenant.rate.burst", "Requests at once."),
    ("Tenant.quota", "How much it may take up; null for any amount."),
    ("Tenant.quota.bytes", "Bytes of all files; null for any number."),
    ("Tenant.quota.files", "How many files; null for any number."),
    ("Tenant.quota.open_uploads", "How many uploads under way; null for any number."),
    ("usage", "What the tenant takes up."),
    ("before", "What the sum was; null if it was not kept."),
    ("Usage.bytes", "Bytes of all files, with those that are reserved for uploads under way."),
    ("Usage.files", "How many files."),
    ("Usage.open_uploads", "How many uploads under way."),
    ("policies", "The policies, by name."),
    ("Policy.name", "Its name within the tenant."),
    ("Policy.tenant", "The tenant that it belongs to."),
    ("Policy.rules", "Its rules; each absent one forbids nothing."),
    // Uppy's Companion.
    ("fields", "Fields of the form, to be sent before the file."),
    ("expires", "Seconds for which it is good."),
    ("key", "The key that Uppy says again with every request for this upload."),
    ("uploadId", "The upload's id."),
    ("bucket", "A word where the contract wants the bucket's name."),
    ("location", "Where the file will be."),
    ("presignedUrls", "A signed URL for each part number."),
    ("PartNumber", "The number of the part."),
    ("Size", "Bytes of the part."),
    ("ETag", "The part's entity tag."),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_known_by_its_place_then_by_its_name() {
        let mut schema = json!({ "properties": {
            "digest": { "type": "string" },
            "created_at": { "type": "string" },
            "scan": { "anyOf": [{ "properties": { "engine": { "type": "string" } } }] },
            "unheard_of": {},
        } });
        add_descriptions(&mut schema, "Asset");
        let about = |path: &str| schema.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert!(about("/properties/digest/description").starts_with("The SHA-256"));
        assert_eq!(about("/properties/created_at/description"), "When it was made.");
        assert_eq!(about("/properties/scan/anyOf/0/properties/engine/description"), "The scanner and its version.");
        assert_eq!(schema["properties"]["unheard_of"], json!({}));
        assert_eq!(member_description("KeyWithSecret.scopes", "scopes"), member_description("Key.scopes", "scopes"));
    }

    #[test]
    fn every_entry_is_one_sentence_said_once() {
        let mut known = BTreeSet::new();
        for (place, sentence) in MEMBER_DESCRIPTIONS {
            assert!(known.insert(place), "{place} is there twice");
            assert!(sentence.ends_with('.') && sentence.starts_with(|c: char| c.is_uppercase()), "{place}: {sentence}");
        }
    }
}
