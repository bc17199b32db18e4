//! What takes up space as an answer. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::clock::before;
use crate::domain::ids::TenantId;
use crate::domain::storage::{OTHER_FAMILY, StorageAge, StorageMeasure, StorageSum, TYPE_FAMILIES};
use crate::http::time_text::SortableTime;

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StorageReport")]
pub(super) struct StorageReportView {
    /// Start of the pass over all assets that found these numbers, as of which ages count; null: none has ended yet, and
    /// the lists are empty. A pass begins about once a minute, where there are many assets less often.
    measured_at: Option<SortableTime>,
    /// End of that pass.
    finished_at: Option<SortableTime>,
    /// Number of files that are kept.
    #[schemars(example = 1200)]
    files: u64,
    /// Bytes of these files, as quotas count them.
    #[schemars(example = 734_003_200)]
    bytes: u64,
    /// Sums by the first half of the content type: as detected, or as declared while nothing is detected.
    types: Vec<TypeSumView>,
    /// Sums by age, the youngest first.
    ages: Vec<AgeSumView>,
    /// The hundred tenants with the most bytes, the largest first.
    tenants: Vec<TenantSumView>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TypeSum")]
struct TypeSumView {
    /// First half of the content type; `other` for other and for unknown types.
    #[schemars(example = &"image")]
    r#type: &'static str,
    /// Number of files.
    #[schemars(example = 800)]
    files: u64,
    /// Bytes of these files.
    #[schemars(example = 16_777_216)]
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AgeSum")]
struct AgeSumView {
    /// Age: created less than a day, 7 days, 30 days or 365 days ago, or earlier; each without those before it.
    #[schemars(extend("enum" = StorageAge::ALL.map(StorageAge::name)), example = &"week")]
    age: &'static str,
    /// These files were created at this time or later; null: at any time before.
    created_after: Option<SortableTime>,
    /// These files were created before this time; null: up to the measurement.
    created_before: Option<SortableTime>,
    /// Number of files.
    #[schemars(example = 800)]
    files: u64,
    /// Bytes of these files.
    #[schemars(example = 16_777_216)]
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TenantSum")]
struct TenantSumView {
    /// Id of the tenant.
    id: TenantId,
    /// Name of the tenant.
    #[schemars(example = &"acme")]
    name: String,
    /// Number of files.
    #[schemars(example = 800)]
    files: u64,
    /// Bytes of these files.
    #[schemars(example = 16_777_216)]
    bytes: u64,
}

/// The sum of those that match.
fn sum_where(measure: &StorageMeasure, wanted: impl Fn(&str, &str) -> bool) -> StorageSum {
    let matching = measure.sums.iter().filter(|(family, age, _)| wanted(family, age));
    matching.fold(StorageSum::default(), |sum, (_, _, one)| StorageSum {
        files: sum.files.saturating_add(one.files),
        bytes: sum.bytes.saturating_add(one.bytes),
    })
}

fn type_view(measure: &StorageMeasure, family: &'static str) -> TypeSumView {
    let StorageSum { files, bytes } = sum_where(measure, |of, _| of == family);
    TypeSumView { r#type: family, files, bytes }
}

fn age_view(measure: &StorageMeasure, age: StorageAge) -> AgeSumView {
    let StorageSum { files, bytes } = sum_where(measure, |_, of| of == age.name());
    let bound = |span| SortableTime(before(measure.started_at, span));
    AgeSumView {
        age: age.name(),
        created_after: age.limit().map(bound),
        created_before: age.least().map(bound),
        files,
        bytes,
    }
}

pub(super) fn storage_report_view(measure: Option<StorageMeasure>) -> StorageReportView {
    let Some(measure) = measure else {
        let (types, ages, tenants) = (Vec::new(), Vec::new(), Vec::new());
        return StorageReportView { measured_at: None, finished_at: None, files: 0, bytes: 0, types, ages, tenants };
    };
    let StorageSum { files, bytes } = sum_where(&measure, |_, _| true);
    let families = TYPE_FAMILIES.into_iter().chain([OTHER_FAMILY]);
    let types = families.map(|family| type_view(&measure, family)).filter(|sum| sum.files > 0);
    let tenant = |(id, name, StorageSum { files, bytes }): &(TenantId, String, StorageSum)| TenantSumView {
        id: *id,
        name: name.clone(),
        files: *files,
        bytes: *bytes,
    };
    StorageReportView {
        measured_at: Some(measure.started_at.into()),
        finished_at: Some(measure.finished_at.into()),
        files,
        bytes,
        types: types.collect(),
        ages: StorageAge::ALL.map(|age| age_view(&measure, age)).into(),
        tenants: measure.tenants.iter().map(tenant).collect(),
    }
}
