//! A transaction as a value: a list of writes that are committed together.
//!
//! Because a transaction is data, the adapter can commit it after its caller has gone, group many into a single commit,
//! and retry each alone when the group failed.

use serde_json::{Map, Value};

use super::write::{NewRow, QuotaCharge, RowChange, Write, WriteEffect};
use crate::domain::asset::Asset;
use crate::domain::clock::Timestamp;
use crate::domain::drop_box::DropBoxCharge;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{AssetId, TenantId};
use crate::domain::name::FileName;
use crate::domain::quota::QuotaUsage;
use crate::domain::upload::Upload;
use crate::traces;

/// Writes that are committed together, in the order in which they are carried out.
#[derive(Clone, Debug, Default)]
pub struct Tx {
    pub(super) writes: Vec<Write>,
}

impl Tx {
    /// An empty transaction.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a write that changes no state machine.
    #[must_use]
    pub fn with(mut self, write: impl Into<Write>) -> Self {
        self.writes.push(write.into());
        self
    }

    /// Adds a new asset with its new upload, their quota charges, and the event `asset.created`.
    #[must_use]
    pub fn create(self, asset: &mut Asset, upload: &mut Upload) -> Self {
        let drop_box = upload.settle_drop_box_charge();
        let mut usage = asset.settle_charge();
        usage += upload.settle_charge();
        let tx = self.with(QuotaCharge { tenant: asset.tenant, usage }).charge_drop_box(drop_box);
        let tx = tx.with(NewRow::Asset(Box::new(asset.clone()))).with(NewRow::Upload(Box::new(upload.clone())));
        tx.with(NewRow::FirstEvent(NewEvent {
            data: of_upload(upload, &asset.name),
            ..event(asset, EventKind::AssetCreated, asset.created_at)
        }))
    }

    /// Adds an asset's transition and its event. Increments the revision of `asset`.
    #[must_use]
    pub fn asset(self, asset: &mut Asset, kind: EventKind) -> Self {
        self.quiet_asset(asset).with(RowChange::NextEvent(event(asset, kind, asset.changed_at)))
    }

    /// Adds a change to an asset that is no transition, without an event. Increments the revision of `asset`.
    #[must_use]
    pub fn quiet_asset(self, asset: &mut Asset) -> Self {
        let tx = self.charge(asset.tenant, asset.settle_charge()).with(RowChange::UpdateAsset(Box::new(asset.clone())));
        asset.revision += 1;
        tx
    }

    /// Adds an upload's transition and its event, which carries the asset's `name`. Increments the revision of
    /// `upload`.
    #[must_use]
    pub fn upload(self, upload: &mut Upload, kind: EventKind, name: &FileName) -> Self {
        let (tenant, asset, at, data) = (upload.tenant, upload.asset, upload.changed_at, of_upload(upload, name));
        let traceparent = traces::current_traceparent();
        self.quietly(upload).with(RowChange::NextEvent(NewEvent { tenant, asset, kind, at, data, traceparent }))
    }

    /// Adds a change to an upload that is no transition, without an event. Increments the revision of `upload`.
    #[must_use]
    pub fn quietly(self, upload: &mut Upload) -> Self {
        let tx = self.charge_drop_box(upload.settle_drop_box_charge());
        let tx = tx.charge(upload.tenant, upload.settle_charge());
        let tx = tx.with(RowChange::UpdateUpload(Box::new(upload.clone())));
        upload.revision += 1;
        tx
    }

    fn charge(self, tenant: TenantId, usage: QuotaUsage) -> Self {
        if usage.is_zero() { self } else { self.with(QuotaCharge { tenant, usage }) }
    }

    fn charge_drop_box(self, charge: Option<DropBoxCharge>) -> Self {
        match charge {
            Some(charge) => self.with(charge),
            None => self,
        }
    }

    /// Rows that this transaction inserts by [`Write::Insert`].
    pub(super) fn new_rows(&self) -> impl Iterator<Item = &NewRow> {
        self.writes.iter().filter_map(|write| match write {
            Write::Insert(row) => Some(row),
            Write::Change(_) | Write::Charge(_) | Write::ChargeDropBox(_) => None,
        })
    }

    /// Uploads that this transaction creates.
    pub fn created_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.new_rows().filter_map(|row| if let NewRow::Upload(upload) = row { Some(&**upload) } else { None })
    }

    /// Names of the actions that this transaction adds to the audit trail.
    pub fn audited_actions(&self) -> impl Iterator<Item = &str> {
        self.new_rows()
            .filter_map(|row| if let NewRow::Audit(entry) = row { Some(entry.action.as_str()) } else { None })
    }

    /// Events that this transaction adds to existing assets.
    pub fn next_events(&self) -> impl Iterator<Item = &NewEvent> {
        self.writes.iter().filter_map(|write| match write {
            Write::Change(RowChange::NextEvent(event)) => Some(event),
            Write::Change(_) | Write::Insert(_) | Write::Charge(_) | Write::ChargeDropBox(_) => None,
        })
    }

    /// Changes of tenants' usage in this transaction.
    pub(super) fn charges(&self) -> impl Iterator<Item = &QuotaCharge> {
        self.writes.iter().filter_map(|write| match write {
            Write::Charge(charge) => Some(charge),
            Write::Insert(_) | Write::Change(_) | Write::ChargeDropBox(_) => None,
        })
    }

    /// Changes of drop boxes' usage in this transaction.
    pub(super) fn drop_box_charges(&self) -> impl Iterator<Item = &DropBoxCharge> {
        self.writes.iter().filter_map(|write| match write {
            Write::ChargeDropBox(charge) => Some(charge),
            Write::Insert(_) | Write::Change(_) | Write::Charge(_) => None,
        })
    }

    /// True if [`Self::new_rows`] and the charges are the whole transaction. Such transactions do not conflict, and
    /// many of them form a single commit.
    pub(super) fn only_inserts(&self) -> bool {
        self.writes.iter().all(|write| match write {
            Write::Insert(_) | Write::Charge(_) | Write::ChargeDropBox(_) => true,
            Write::Change(_) => false,
        })
    }

    /// True if the transaction adds rows that stay until they are deleted: refused while the disk's free space is below
    /// the reserve.
    pub(super) fn adds_things(&self) -> bool {
        self.effects().any(|effect| matches!(effect, WriteEffect::ThingAdded))
    }

    /// True if the transaction writes events or jobs, for which readers of the feed and workers wait.
    pub(super) fn is_news(&self) -> bool {
        self.effects().any(|effect| matches!(effect, WriteEffect::News | WriteEffect::EventAdded(_)))
    }

    /// Assets of which a cached copy is out of date after this transaction.
    pub(super) fn changed_assets(&self) -> impl Iterator<Item = AssetId> {
        self.effects()
            .filter_map(|effect| if let WriteEffect::AssetChanged(asset) = effect { Some(asset) } else { None })
    }

    /// Assets whose row this transaction changes, or about which it reports an event. An asset may occur several times.
    pub fn reported_assets(&self) -> impl Iterator<Item = AssetId> {
        self.effects().filter_map(|effect| match effect {
            WriteEffect::AssetChanged(asset) | WriteEffect::EventAdded(asset) => Some(asset),
            WriteEffect::ThingAdded | WriteEffect::UploadChanged(_) | WriteEffect::News | WriteEffect::Quiet => None,
        })
    }

    /// Uploads that this transaction changes, as its writer has read and changed them.
    pub fn changed_uploads(&self) -> impl Iterator<Item = &Upload> {
        self.effects()
            .filter_map(|effect| if let WriteEffect::UploadChanged(upload) = effect { Some(upload) } else { None })
    }

    fn effects(&self) -> impl Iterator<Item = WriteEffect<'_>> {
        self.writes.iter().map(Write::effect)
    }
}

fn event(asset: &Asset, kind: EventKind, at: Timestamp) -> NewEvent {
    let (data, traceparent) = (of_asset(asset, kind), traces::current_traceparent());
    NewEvent { tenant: asset.tenant, asset: asset.id, kind, at, data, traceparent }
}

/// The file's current name, which every event carries.
fn named(name: &FileName) -> Map<String, Value> {
    Map::from_iter([("filename".to_owned(), name.as_str().into())])
}

/// The event data of an upload: its id, because an asset may have several, and the file name.
fn of_upload(upload: &Upload, name: &FileName) -> Map<String, Value> {
    let mut data = named(name);
    data.insert("upload_id".to_owned(), upload.id.to_string().into());
    data
}

/// The event data of an asset: the facts that this kind of event reports. Metadata is left out because it may be large.
fn of_asset(asset: &Asset, kind: EventKind) -> Map<String, Value> {
    let mut data = named(&asset.name);
    match kind {
        EventKind::AssetStored => {
            data.insert("size".to_owned(), asset.size.into());
        }
        EventKind::AssetReady | EventKind::AssetRechecked => {
            let content = asset.state.content();
            say(&mut data, "content_type", content.and_then(|c| c.detected.as_ref()).map(ToString::to_string));
            say(&mut data, "sha256", content.and_then(|c| c.sha256).map(|digest| hex::encode(digest.0)));
        }
        EventKind::AssetCorrupt => {
            let damage = asset.damage();
            say(&mut data, "code", damage.map(|damage| damage.code().to_owned()));
            say(&mut data, "detail", damage.map(|damage| damage.sentence().to_owned()));
        }
        EventKind::AssetRejected | EventKind::AssetFailed => {
            say(&mut data, "code", asset.state.verdict().map(|verdict| verdict.code.clone()));
            say(&mut data, "detail", asset.state.verdict().map(|verdict| verdict.sentence.clone()));
        }
        _ => {}
    }
    data
}

fn say(data: &mut Map<String, Value>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        data.insert(name.to_owned(), value.into());
    }
}
