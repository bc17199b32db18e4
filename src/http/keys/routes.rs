//! The routes of keys, each with what is said of it.

use serde_json::{Value, json};

use super::super::openapi::access::{ADMINISTERS, ADMINISTERS_ONE};
use super::super::openapi::{Op, Routes, op};
use super::handlers;
use super::wire::{NewKey, Rotate};

pub(super) fn routes() -> Routes {
    let create =
        op("A new key").named("createKey").may(ADMINISTERS).tells("The key itself is shown this once.").repeats();
    let create = create.fails(&["conflict"]);
    let create = create.takes::<NewKey>(json!({ "name": "shop", "scopes": ["upload", "read"], "expires_in": "90d" }));
    let rotate = op("A new secret")
        .named("rotateKey")
        .may(ADMINISTERS_ONE)
        .tells("The old one works as well until `overlap` has passed.");
    let rotate = rotate.repeats().takes::<Rotate>(json!({ "overlap": "24h" })).or_nothing().fails(&["gone"]);
    let list = op("A page of keys").named("listKeys").may(ADMINISTERS).paged("after");
    Routes::of("Keys")
        .names("Key", key(None))
        .names("KeyWithSecret", key(Some("text = gk_019aa3c17c407d2e9f310b5f6f0c2a11.0123456789abcdef")))
        .get("/v1/keys", handlers::list, of(list).gives(200, json!({ "keys": ["@Key"], "next_after": "uuid?" })))
        .post("/v1/keys", handlers::create, of(create).gives(201, "@KeyWithSecret"))
        .get(
            "/v1/keys/{id}",
            handlers::show,
            of(op("A key").named("getKey").may(ADMINISTERS_ONE).kept()).gives(200, "@Key"),
        )
        .delete(
            "/v1/keys/{id}",
            handlers::revoke,
            of(op("Revoke a key").named("revokeKey").may(ADMINISTERS_ONE))
                .done(204, "It opens nothing any more, on every node within 5 s."),
        )
        .post("/v1/keys/{id}/rotate", handlers::rotate, of(rotate).gives(200, "@KeyWithSecret"))
}

fn of(op: Op) -> Op {
    op.query("tenant", "text*", "For operators: whose, by name or id.").fails(&["not_found"])
}

fn key(secret: Option<&str>) -> Value {
    let mut shape = json!({
        "id": "uuid",
        "tenant_id": "uuid",
        "name": "text? = shop",
        "scopes": ["one of upload|read|link|process|admin"],
        "created_at": "time",
        "expires_at": "time?",
        "revoked_at": "time?",
        "last_used_at": "time?",
        "old_secret_until": "time?",
    });
    if let Some(secret) = secret {
        shape["key"] = secret.into();
    }
    shape
}
