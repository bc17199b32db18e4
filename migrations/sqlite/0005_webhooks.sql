-- Webhooks: endpoints that are told of events, and what became of each telling. Events are the outbox: `cursor` is the
-- place in the tenant's feed up to which an endpoint has been told.

CREATE TABLE webhook (
    id            blob   PRIMARY KEY,
    tenant_id     blob   NOT NULL,
    revision      integer NOT NULL,             -- counts changes; moving the cursor and noting failures is none
    url           text   NOT NULL,
    description   text   NOT NULL,              -- for people
    events        text   NOT NULL,              -- an array: asset.ready, asset.*, *
    secret        text   NOT NULL,              -- whsec_…; has to be known in clear to sign with
    old_secret    text,                         -- signs as well until old_until
    old_until     integer,
    state         text   NOT NULL CHECK (state IN ('active', 'disabled', 'deleted')),
    reason        text,                         -- why it is disabled: asked, gone (410), failing
    disabled_at   integer,
    cursor        integer NOT NULL,             -- events up to this place are told or not wanted
    failing_since integer,                      -- since when every telling fails; NULL: the last one did not
    created_at    integer NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_tenant ON webhook (tenant_id, id);
CREATE INDEX webhook_state ON webhook (state, id);

CREATE TABLE delivery (
    id          blob   PRIMARY KEY,
    webhook_id  blob   NOT NULL,
    tenant_id   blob   NOT NULL,
    place       integer NOT NULL,               -- of the event in its tenant's feed; 0: a test, which is in none
    asset_id    blob   NOT NULL,                -- with seq: the event, and the message's id on every try
    seq         integer NOT NULL,
    kind        text   NOT NULL,                -- of event
    at          integer NOT NULL,               -- when it happened
    data        text,                           -- the event's own; a copy, because events are forgotten
    replay      integer NOT NULL,               -- 1: asked for again
    state       text   NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    tries       integer NOT NULL,               -- since it was last begun
    attempts    text   NOT NULL,                -- an array, the last ones only: at, status, millis, problem
    problem     text,                           -- why it did not arrive, so far or for good; NULL: it did
    next_try    integer,                        -- NULL: it is over
    created_at  integer NOT NULL,
    finished_at integer                         -- when it arrived or was given up
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_log ON delivery (webhook_id, id);
CREATE INDEX delivery_state ON delivery (webhook_id, state, id);
CREATE INDEX delivery_pending ON delivery (webhook_id, tries) WHERE state = 'pending';
CREATE INDEX delivery_finished ON delivery (finished_at) WHERE finished_at IS NOT NULL;
