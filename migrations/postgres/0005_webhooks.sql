-- Webhooks: endpoints that are told of events, and what became of each telling. Events are the outbox: `cursor` is the
-- place in the tenant's feed up to which an endpoint has been told.

CREATE TABLE webhook (
    id            uuid   PRIMARY KEY,
    tenant_id     uuid   NOT NULL,
    revision      bigint NOT NULL,              -- counts changes; moving the cursor and noting failures is none
    url           text   NOT NULL,
    description   text   NOT NULL,              -- for people
    events        jsonb  NOT NULL,              -- an array: asset.ready, asset.*, *
    secret        text   NOT NULL,              -- whsec_…; has to be known in clear to sign with
    old_secret    text,                         -- signs as well until old_until
    old_until     bigint,
    state         text   NOT NULL CHECK (state IN ('active', 'disabled', 'deleted')),
    reason        text,                         -- why it is disabled: asked, gone (410), failing
    disabled_at   bigint,
    cursor        bigint NOT NULL,              -- events up to this place are told or not wanted
    failing_since bigint,                       -- since when every telling fails; NULL: the last one did not
    created_at    bigint NOT NULL
);
CREATE INDEX webhook_tenant ON webhook (tenant_id, id);
CREATE INDEX webhook_state ON webhook (state, id);

CREATE TABLE delivery (
    id          uuid   PRIMARY KEY,
    webhook_id  uuid   NOT NULL,
    tenant_id   uuid   NOT NULL,
    place       bigint NOT NULL,                -- of the event in its tenant's feed; 0: a test, which is in none
    asset_id    uuid   NOT NULL,                -- with seq: the event, and the message's id on every try
    seq         bigint NOT NULL,
    kind        text   NOT NULL,                -- of event
    at          bigint NOT NULL,                -- when it happened
    data        jsonb,                          -- the event's own; a copy, because events are forgotten
    replay      bigint NOT NULL,                -- 1: asked for again
    state       text   NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    tries       bigint NOT NULL,                -- since it was last begun
    attempts    jsonb  NOT NULL,                -- an array, the last ones only: at, status, millis, problem
    problem     text,                           -- why it did not arrive, so far or for good; NULL: it did
    next_try    bigint,                         -- NULL: it is over
    created_at  bigint NOT NULL,
    finished_at bigint                          -- when it arrived or was given up
);
CREATE INDEX delivery_log ON delivery (webhook_id, id);
CREATE INDEX delivery_state ON delivery (webhook_id, state, id);
CREATE INDEX delivery_pending ON delivery (webhook_id, tries) WHERE state = 'pending';
CREATE INDEX delivery_finished ON delivery (finished_at) WHERE finished_at IS NOT NULL;
