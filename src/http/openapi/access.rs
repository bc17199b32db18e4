//! Access per operation and kind of caller: the cells of the authorization matrix, as the contract publishes them
//! (`x-gantry-access`) and as tests verify them. Declared here, not computed: `domain::access` decides.
//!
//! A letter per caller, in the order of [`CALLER_KINDS`]: `+` is admitted, `u` is 401, `f` is 403, `h` is 404 as for an
//! unknown id.

use serde_json::{Map, Value};

/// Kinds of callers, in the order of the letters.
pub(in crate::http) const CALLER_KINDS: [&str; 14] = [
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
    "grant for many files",
];

/// Outcome for each kind of caller, as letters.
pub(in crate::http) type AccessCells = &'static str;

/// Every caller, with any credential or none.
pub(in crate::http) const PUBLIC_ACCESS: AccessCells = "++++++++++++++";
/// No caller: the answer is always 404.
pub(in crate::http) const NO_ACCESS: AccessCells = "hhhhhhhhhhhhhh";
/// Opens uploads with a key.
pub(in crate::http) const CREATE_UPLOAD_ACCESS: AccessCells = "uuuu++fff++ff+";
/// Opens uploads with a key or a grant.
pub(in crate::http) const OPEN_UPLOAD_ACCESS: AccessCells = "uuuu++fff+++++";
/// Sees an upload or an asset: readers, and uploaders of its bytes.
pub(in crate::http) const VIEW_ACCESS: AccessCells = "uuuu+++ff+h+hh";
/// Drives an upload: sends its bytes, completes and aborts it.
pub(in crate::http) const DRIVE_UPLOAD_ACCESS: AccessCells = "uuuu++fff+h+hh";
/// Holders of a key, whatever its scopes.
pub(in crate::http) const KEY_HOLDER_ACCESS: AccessCells = "uuuu+++++++fff";
/// Reads everything of the tenant.
pub(in crate::http) const READ_TENANT_ACCESS: AccessCells = "uuuuff+ff++fff";
/// Reads the bytes of an asset.
pub(in crate::http) const READ_CONTENT_ACCESS: AccessCells = "uuuuff+ff+hfff";
/// Changes an asset: its owner only.
pub(in crate::http) const EDIT_ASSET_ACCESS: AccessCells = "uuuu+ffff+hfff";
/// Creates links, and lists them.
pub(in crate::http) const LINK_ACCESS: AccessCells = "uuuufff+f++fff";
/// Creates and revokes links of an asset.
pub(in crate::http) const LINK_ASSET_ACCESS: AccessCells = "uuuufff+f+hfff";
/// Has an asset reprocessed, and reports processing results for it.
pub(in crate::http) const PROCESS_ASSET_ACCESS: AccessCells = "uuuuffff++hfff";
/// Has the tenant's assets reprocessed, which includes listing them.
pub(in crate::http) const PROCESS_TENANT_ACCESS: AccessCells = "uuuufffff++fff";
/// Administrators, each for their own tenant.
pub(in crate::http) const ADMIN_ACCESS: AccessCells = "uuuufffff++fff";
/// Administrators, for a resource of their tenant.
pub(in crate::http) const ADMIN_RESOURCE_ACCESS: AccessCells = "uuuufffff+hfff";
/// Administrators of the tenant `default`, the operators of the instance.
pub(in crate::http) const OPERATOR_ACCESS: AccessCells = "uuuufffff+ffff";
/// A grant in the path; no other credential counts there.
pub(in crate::http) const GRANT_ACCESS: AccessCells = "uuuuuuuuuuu+++";
/// A grant for one file in the path; no other credential counts there.
pub(in crate::http) const ONE_FILE_GRANT_ACCESS: AccessCells = "uuuuuuuuuuu++f";
/// Keys that may upload; grants may not.
pub(in crate::http) const UPLOAD_KEY_ACCESS: AccessCells = "uuuu++fff++fff";
/// Sees and revokes a grant for many files: the key that made it, and administrators.
pub(in crate::http) const OWN_GRANT_ACCESS: AccessCells = "uuuu+ffff+hfff";
/// A grant in the path of a page, where every other credential is an unknown address.
pub(in crate::http) const GRANT_PAGE_ACCESS: AccessCells = "hhhhhhhhhhh+++";
/// A grant in the path, for its own upload only.
pub(in crate::http) const GRANT_UPLOAD_ACCESS: AccessCells = "uuuuuuuuuuu+hh";

/// The letters as the contract publishes them: a status, or `allowed`.
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
            KEY_HOLDER_ACCESS,
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
            ONE_FILE_GRANT_ACCESS,
            UPLOAD_KEY_ACCESS,
            OWN_GRANT_ACCESS,
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
