//! Who may: for every operation and every kind of caller the cell of the authorization matrix, as the contract tells it
//! (`x-gantry-access`) and as the tests drive it. Declared here, not computed: what decides is `domain::access`.
//!
//! One letter per caller, in the order of [`CALLER_KINDS`]: `+` is let in, `u` 401, `f` 403, `h` 404 as for an unknown id.

use serde_json::{Map, Value};

/// Callers, in the order of the letters.
pub(in crate::http) const CALLER_KINDS: [&str; 13] = [
    "nobody",
    "nonsense",
    "revoked",
    "expired",
    "upload, its owner",
    "upload, another key",
    "read",
    "link",
    "process",
    "admin",
    "admin of another tenant",
    "upload grant for it",
    "upload grant for another",
];

/// What each caller gets, as letters.
pub(in crate::http) type AccessCells = &'static str;

/// Anybody, whatever credential comes along.
pub(in crate::http) const PUBLIC_ACCESS: AccessCells = "+++++++++++++";
/// Nobody: the answer is always that there is no such thing.
pub(in crate::http) const NO_ACCESS: AccessCells = "hhhhhhhhhhhhh";
/// May open uploads with a key.
pub(in crate::http) const CREATE_UPLOAD_ACCESS: AccessCells = "uuuu++fff++ff";
/// May open uploads through a door, and those who have been given one.
pub(in crate::http) const OPEN_UPLOAD_ACCESS: AccessCells = "uuuu++fff++++";
/// May see an upload or an asset, and those who bring its bytes.
pub(in crate::http) const VIEW_ACCESS: AccessCells = "uuuu+++ff+h+h";
/// May drive an upload.
pub(in crate::http) const DRIVE_UPLOAD_ACCESS: AccessCells = "uuuu++fff+h+h";
/// May read what the tenant has.
pub(in crate::http) const READ_TENANT_ACCESS: AccessCells = "uuuuff+ff++ff";
/// May read one asset's bytes.
pub(in crate::http) const READ_CONTENT_ACCESS: AccessCells = "uuuuff+ff+hff";
/// May change an asset: its owner.
pub(in crate::http) const EDIT_ASSET_ACCESS: AccessCells = "uuuu+ffff+hff";
/// May make links, and see them.
pub(in crate::http) const LINK_ACCESS: AccessCells = "uuuufff+f++ff";
/// May make and revoke links of one asset.
pub(in crate::http) const LINK_ASSET_ACCESS: AccessCells = "uuuufff+f+hff";
/// May have an asset looked at again, and report for it.
pub(in crate::http) const PROCESS_ASSET_ACCESS: AccessCells = "uuuuffff++hff";
/// May have the tenant's assets looked at again, which takes listing them.
pub(in crate::http) const PROCESS_TENANT_ACCESS: AccessCells = "uuuufffff++ff";
/// Administrators: each the own tenant's.
pub(in crate::http) const ADMIN_ACCESS: AccessCells = "uuuufffff++ff";
/// Administrators, for one thing of their tenant.
pub(in crate::http) const ADMIN_RESOURCE_ACCESS: AccessCells = "uuuufffff+hff";
/// Administrators of the tenant `default`, who run the instance.
pub(in crate::http) const OPERATOR_ACCESS: AccessCells = "uuuufffff+fff";
/// In a path nothing but a grant counts.
pub(in crate::http) const GRANT_ACCESS: AccessCells = "uuuuuuuuuuu++";
/// A grant in the path, for one upload.
pub(in crate::http) const GRANT_UPLOAD_ACCESS: AccessCells = "uuuuuuuuuuu+h";

/// The letters as the contract tells them: a status, or `allowed`.
pub(super) fn access_json(cells: AccessCells) -> Value {
    let cell = |letter: char| match letter {
        'u' => Value::from(401),
        'f' => Value::from(403),
        'h' => Value::from(404),
        _ => Value::from("allowed"),
    };
    let pairs = CALLER_KINDS.iter().zip(cells.chars()).map(|(caller, letter)| ((*caller).to_owned(), cell(letter)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_for_every_caller() {
        let all = [
            PUBLIC_ACCESS,
            NO_ACCESS,
            CREATE_UPLOAD_ACCESS,
            OPEN_UPLOAD_ACCESS,
            VIEW_ACCESS,
            DRIVE_UPLOAD_ACCESS,
            READ_TENANT_ACCESS,
            READ_CONTENT_ACCESS,
            EDIT_ASSET_ACCESS,
            LINK_ACCESS,
            LINK_ASSET_ACCESS,
            PROCESS_ASSET_ACCESS,
            PROCESS_TENANT_ACCESS,
            ADMIN_ACCESS,
            ADMIN_RESOURCE_ACCESS,
            OPERATOR_ACCESS,
            GRANT_ACCESS,
            GRANT_UPLOAD_ACCESS,
        ];
        for cells in all {
            assert!(
                cells.len() == CALLER_KINDS.len() && cells.bytes().all(|letter| b"+ufh".contains(&letter)),
                "{cells}"
            );
        }
    }
}
