//! Who may: for every operation and every kind of caller the cell of the authorization matrix, as the contract tells it
//! (`x-gantry-access`) and as the tests drive it. Declared here, not computed: what decides is `domain::access`.
//!
//! One letter per caller, in the order of [`CALLERS`]: `+` is let in, `u` 401, `f` 403, `h` 404 as for an unknown id.

use serde_json::{Map, Value};

/// Callers, in the order of the letters.
pub(in crate::http) const CALLERS: [&str; 13] = [
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
pub(in crate::http) type Cells = &'static str;

/// Anybody, whatever credential comes along.
pub(in crate::http) const PUBLIC: Cells = "+++++++++++++";
/// Nobody: the answer is always that there is no such thing.
pub(in crate::http) const NOT_OFFERED: Cells = "hhhhhhhhhhhhh";
/// May open uploads with a key.
pub(in crate::http) const CREATES: Cells = "uuuu++fff++ff";
/// May open uploads through a door, and those who have been given one.
pub(in crate::http) const OPENS: Cells = "uuuu++fff++++";
/// May see an upload or an asset, and those who bring its bytes.
pub(in crate::http) const WATCHES: Cells = "uuuu+++ff+h+h";
/// May drive an upload.
pub(in crate::http) const DRIVES: Cells = "uuuu++fff+h+h";
/// May read what the tenant has.
pub(in crate::http) const READS: Cells = "uuuuff+ff++ff";
/// May read one asset's bytes.
pub(in crate::http) const FETCHES: Cells = "uuuuff+ff+hff";
/// May change an asset: its owner.
pub(in crate::http) const EDITS: Cells = "uuuu+ffff+hff";
/// May make links, and see them.
pub(in crate::http) const LINKS: Cells = "uuuufff+f++ff";
/// May make and revoke links of one asset.
pub(in crate::http) const LINKS_ONE: Cells = "uuuufff+f+hff";
/// May have an asset looked at again, and report for it.
pub(in crate::http) const PROCESSES: Cells = "uuuuffff++hff";
/// May have the tenant's assets looked at again, which takes listing them.
pub(in crate::http) const PROCESSES_MANY: Cells = "uuuufffff++ff";
/// Administrators: each the own tenant's.
pub(in crate::http) const ADMINISTERS: Cells = "uuuufffff++ff";
/// Administrators, for one thing of their tenant.
pub(in crate::http) const ADMINISTERS_ONE: Cells = "uuuufffff+hff";
/// Administrators of the tenant `default`, who run the instance.
pub(in crate::http) const OPERATES: Cells = "uuuufffff+fff";
/// In a path nothing but a grant counts.
pub(in crate::http) const GRANTED: Cells = "uuuuuuuuuuu++";
/// A grant in the path, for one upload.
pub(in crate::http) const GRANTED_ONE: Cells = "uuuuuuuuuuu+h";

/// The letters as the contract tells them: a status, or `allowed`.
pub(super) fn told(cells: Cells) -> Value {
    let cell = |letter: char| match letter {
        'u' => Value::from(401),
        'f' => Value::from(403),
        'h' => Value::from(404),
        _ => Value::from("allowed"),
    };
    let pairs = CALLERS.iter().zip(cells.chars()).map(|(caller, letter)| ((*caller).to_owned(), cell(letter)));
    Value::Object(pairs.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_for_every_caller() {
        let all = [
            PUBLIC,
            NOT_OFFERED,
            CREATES,
            OPENS,
            WATCHES,
            DRIVES,
            READS,
            FETCHES,
            EDITS,
            LINKS,
            LINKS_ONE,
            PROCESSES,
            PROCESSES_MANY,
            ADMINISTERS,
            ADMINISTERS_ONE,
            OPERATES,
            GRANTED,
            GRANTED_ONE,
        ];
        for cells in all {
            assert!(cells.len() == CALLERS.len() && cells.bytes().all(|letter| b"+ufh".contains(&letter)), "{cells}");
        }
    }
}
