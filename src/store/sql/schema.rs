//! Steps of the schema that the database records as applied, in the table of `sqlx::migrate`.

use super::{APPLIED_STEPS, HAS_APPLIED_STEPS, SqlConnection};
use crate::domain::clock::micros;
use crate::store::schema::AppliedStep;

/// Reads the applied steps by number; none for an empty database. Changes nothing.
pub(in crate::store) async fn read_applied(connection: &mut SqlConnection) -> sqlx::Result<Vec<AppliedStep>> {
    if !sqlx::query_scalar::<_, bool>(HAS_APPLIED_STEPS).fetch_one(&mut *connection).await? {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as::<_, (i64, String, i64, bool, Vec<u8>)>(APPLIED_STEPS).fetch_all(connection).await?;
    let step =
        |(version, name, at, finished, checksum)| AppliedStep { version, name, at: micros(at), finished, checksum };
    Ok(rows.into_iter().map(step).collect())
}
