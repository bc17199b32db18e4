-- Foundation: tenants, keys, assets, uploads, events, jobs, links.
-- Times are microseconds since 1970 in UTC, so that both databases sort, index and page them alike.
-- Ids are UUIDv7: they sort by creation, and an id alone is a keyset cursor.
-- `revision` is the compare-and-set guard: every UPDATE names the revision it saw and counts it up.

CREATE TABLE tenant (
    id         uuid   PRIMARY KEY,
    name       text   NOT NULL UNIQUE,          -- for people and the command line
    created_at bigint NOT NULL
);

CREATE TABLE api_key (
    id          uuid   PRIMARY KEY,             -- the public half of gk_<id>.<secret>
    tenant_id   uuid   NOT NULL REFERENCES tenant (id),
    scopes      text   NOT NULL,                -- upload,read,link,process,admin
    secret_hash bytea  NOT NULL,                -- SHA-256 of 256 random bits
    created_at  bigint NOT NULL,
    expires_at  bigint,
    revoked_at  bigint
);
CREATE INDEX api_key_tenant ON api_key (tenant_id, id);

CREATE TABLE asset (
    id               uuid   PRIMARY KEY,
    tenant_id        uuid   NOT NULL,
    owner_id         uuid   NOT NULL,           -- the key that created it
    revision         bigint NOT NULL,
    state            text   NOT NULL CHECK (state IN
        ('awaiting', 'abandoned', 'stored', 'processing', 'ready', 'rejected', 'failed', 'deleted')),
    name             text   NOT NULL,           -- as declared, never a path
    size             bigint NOT NULL CHECK (size >= 0),
    media_type       text,                      -- as declared, never trusted for delivery
    declared_sha256  bytea,
    external_id      text,                      -- the caller's own identity for it
    metadata         jsonb  NOT NULL,           -- the caller's own properties, an object
    object_key       text,                      -- where the bytes are; set from 'stored' on
    etag             text,                      -- the store's entity tag without quotes; not a digest
    version_id       text,                      -- the store's version, where the bucket keeps versions
    stored_at        bigint,
    detected_type    text,                      -- what the bytes say they are
    sha256           bytea,                     -- computed from the bytes
    verdict_code     text,                      -- why rejected or failed, for programs
    verdict_sentence text,                      -- and for people
    purge_at         bigint,                    -- when the object of a rejected or deleted asset is removed; NULL: gone
    created_at       bigint NOT NULL,
    changed_at       bigint NOT NULL,
    CHECK ((state IN ('awaiting', 'abandoned')) = (object_key IS NULL)),
    CHECK (purge_at IS NULL OR state IN ('rejected', 'deleted'))
);
CREATE INDEX asset_page ON asset (tenant_id, id);
CREATE INDEX asset_state ON asset (tenant_id, state, id);
CREATE INDEX asset_external ON asset (tenant_id, external_id, id) WHERE external_id IS NOT NULL;
CREATE INDEX asset_purge ON asset (purge_at) WHERE purge_at IS NOT NULL;

CREATE TABLE upload (
    id          uuid   PRIMARY KEY,
    tenant_id   uuid   NOT NULL,
    asset_id    uuid   NOT NULL REFERENCES asset (id),
    owner_id    uuid   NOT NULL,
    revision    bigint NOT NULL,
    state       text   NOT NULL CHECK (state IN
        ('open', 'completing', 'completed', 'failed', 'aborted', 'expired')),
    protocol    text   NOT NULL,                -- the door through which it came
    transfer    text   NOT NULL CHECK (transfer IN ('put', 'single_part', 'multipart')),
    size        bigint NOT NULL CHECK (size >= 0),
    part_size   bigint,                         -- of every part but the last; NULL for 'put'
    store_id    text,                           -- the store's id of the multipart upload; NULL until it answered
    checksum    text,                           -- algorithm that every part carries, declared to the store
    object_key  text   NOT NULL,
    write_token text   NOT NULL,                -- stamped on the object: proof that it is this upload's
    external_id text,
    created_at  bigint NOT NULL,
    changed_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    look_at     bigint,                         -- when the sweeper must look next; NULL: nothing owed
    CHECK ((transfer = 'put') = (part_size IS NULL)),
    CHECK (state NOT IN ('open', 'completing') OR look_at IS NOT NULL)
);
CREATE INDEX upload_asset ON upload (asset_id);
CREATE INDEX upload_look ON upload (look_at) WHERE look_at IS NOT NULL;
CREATE UNIQUE INDEX upload_external ON upload (tenant_id, external_id)
    WHERE external_id IS NOT NULL AND state IN ('open', 'completing');

CREATE TABLE event (
    asset_id  uuid   NOT NULL,
    seq       bigint NOT NULL,                  -- 1, 2, 3 per asset, without gaps
    tenant_id uuid   NOT NULL,
    kind      text   NOT NULL,                  -- asset.ready and the like
    at        bigint NOT NULL,
    PRIMARY KEY (asset_id, seq)
);

CREATE TABLE job (
    id         uuid   PRIMARY KEY,
    kind       text   NOT NULL,
    tenant_id  uuid   NOT NULL,
    asset_id   uuid   NOT NULL,
    state      text   NOT NULL CHECK (state IN ('ready', 'running', 'dead')),
    run_at     bigint NOT NULL,                 -- not before this; while running, the end of the lease
    attempt    bigint NOT NULL,                 -- counted at each claim; fences what a late worker writes
    last_error text,
    created_at bigint NOT NULL
);
CREATE INDEX job_due ON job (kind, run_at, id) WHERE state <> 'dead';
CREATE UNIQUE INDEX job_once ON job (asset_id, kind) WHERE state <> 'dead';

CREATE TABLE link (
    id          uuid   PRIMARY KEY,
    tenant_id   uuid   NOT NULL,
    asset_id    uuid   NOT NULL,
    created_by  uuid   NOT NULL,
    created_at  bigint NOT NULL,
    expires_at  bigint NOT NULL,
    revoked_at  bigint,
    disposition text   NOT NULL CHECK (disposition IN ('attachment', 'inline')),
    filename    text,                           -- another name than the asset's
    max_uses    bigint,
    used        bigint NOT NULL,
    network     text                            -- the only network that may open it
);
CREATE INDEX link_asset ON link (asset_id, id);
CREATE INDEX link_expiry ON link (expires_at);

-- Answers to requests that carried an Idempotency-Key.
CREATE TABLE replay (
    key_id      uuid   NOT NULL,                -- the API key that sent it
    route       text   NOT NULL,
    token       text   NOT NULL,                -- the Idempotency-Key
    fingerprint bytea  NOT NULL,                -- SHA-256 of the request; another body is refused
    result      jsonb  NOT NULL,                -- ids from which the answer is made again
    expires_at  bigint NOT NULL,
    PRIMARY KEY (key_id, route, token)
);
CREATE INDEX replay_expiry ON replay (expires_at);

-- Facts about this instance: its id, what the bucket was found to be capable of.
CREATE TABLE setting (
    name  text PRIMARY KEY,
    value text NOT NULL
);
