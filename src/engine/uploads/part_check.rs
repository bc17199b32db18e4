//! Checks of a list of parts before an upload is completed: against the plan, and against the list that the client
//! sent.

use super::complete::CompleteUpload;
use crate::blob::StoredPart;
use crate::domain::plan::{PartNumber, PartPlan, PartSet};
use crate::domain::upload::{Transfer, Upload};
use crate::engine::{Error, Result};

/// True if a new list of the store's parts is complete and can replace the earlier list.
pub(in crate::engine) fn is_list_complete(upload: &Upload, plan: Option<&PartPlan>, listed: &[StoredPart]) -> bool {
    match &upload.transfer {
        Transfer::UnplannedMultipart { total, .. } => Some(listed.iter().map(|part| part.size).sum()) == *total,
        Transfer::Put { .. } | Transfer::Multipart { .. } | Transfer::Relayed(_) => {
            plan.is_none_or(|plan| listed.len() == usize::from(plan.count()))
        }
    }
}

pub(in crate::engine) fn first_part_missing() -> PartSet {
    PartSet::from_numbers(PartNumber::new(1))
}

/// Checks that every part of the plan is there, and that the client's list, if given, matches the store's.
pub(in crate::engine) fn check_planned_parts(
    plan: &PartPlan,
    parts: &[StoredPart],
    wish: &CompleteUpload,
) -> Result<()> {
    let find = |number: PartNumber| parts.binary_search_by_key(&number, |part| part.number).ok().map(|at| &parts[at]);
    for claimed in wish.parts.iter().flatten() {
        let part = claimed.number.get();
        let Some(there) = find(claimed.number) else {
            return if plan.len_of(claimed.number).is_some() {
                Err(Error::Incomplete { missing: PartSet::from_numbers([claimed.number]) })
            } else {
                Err(Error::PartsDiffer { part })
            };
        };
        if claimed.etag.as_ref().is_some_and(|etag| *etag != there.etag) {
            return Err(Error::PartsDiffer { part });
        }
    }
    let missing = PartSet::from_numbers(plan.parts().filter(|number| find(*number).is_none()));
    if missing.is_empty() { Ok(()) } else { Err(Error::Incomplete { missing }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::uploads::ClaimedPart;

    fn part(number: u64, size: u64) -> StoredPart {
        StoredPart { number: PartNumber::new(number).unwrap(), size, etag: format!("e{number}"), checksum: None }
    }

    #[test]
    fn the_client_is_checked_against_the_store_and_the_plan() {
        let plan = PartPlan::exact(25, 10).unwrap();
        let parts = [part(1, 10), part(2, 10), part(3, 5)];
        let claim = |number, etag: Option<&str>| CompleteUpload {
            parts: Some(vec![ClaimedPart { number: PartNumber::new(number).unwrap(), etag: etag.map(str::to_owned) }]),
            sha256: None,
        };
        assert!(check_planned_parts(&plan, &parts, &CompleteUpload::default()).is_ok());
        assert!(check_planned_parts(&plan, &parts, &claim(2, Some("e2"))).is_ok());
        assert!(matches!(
            check_planned_parts(&plan, &parts, &claim(2, Some("x"))),
            Err(Error::PartsDiffer { part: 2 })
        ));
        assert!(matches!(check_planned_parts(&plan, &parts, &claim(4, None)), Err(Error::PartsDiffer { part: 4 })));
        let missing = check_planned_parts(&plan, &parts[..1], &CompleteUpload::default());
        assert!(matches!(missing, Err(Error::Incomplete { missing }) if missing.to_string() == "2-3"));
    }
}
