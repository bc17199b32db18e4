//! Search for text anywhere in a file's name, without regard to case.
//!
//! Both databases have an index of trigrams: SQLite by FTS5, PostgreSQL by the extension pg_trgm, if it could be created;
//! without it, a search reads the tenant's names. Text of fewer than three characters has no trigram and examines each
//! row of a page, as does, on SQLite, text that very many names contain: then the first rows already hold a page.
//!
//! SQLite's index follows the assets: names are added by the chore rollup, and by a search before it looks.

use sqlx::QueryBuilder;

use super::{COUNT_NAMES, Db, DbPool, INDEX_NAMES, NAMES_OWED, failed};
use crate::store::Result;

/// Characters of a trigram.
const TRIGRAM_CHARS: usize = 3;
/// Names that the index may return for its answer to be used; counted before.
const MAX_INDEXED_NAMES: i64 = 5_000;

/// Names that are added to the index in a transaction.
const NAMES_PER_WRITE: i64 = 1_000;

/// The way to find names with a text.
pub(super) enum NameSearch {
    /// Every name matches.
    All,
    /// The index of names gives the assets; the query of FTS5.
    ByNumber(String),
    /// An index of expressions, or the planner without one, finds them; the pattern of LIKE.
    ByPattern(String),
    /// Each row is examined; the pattern of LIKE.
    EachRow(String),
}

/// True if the index has all names.
pub(super) async fn is_complete(pool: &DbPool) -> Result<bool> {
    let Some(owed) = NAMES_OWED else { return Ok(true) };
    Ok(!sqlx::query_scalar::<_, bool>(owed).fetch_one(pool).await.map_err(failed)?)
}

/// Adds the next names to the index.
pub(super) async fn index_next(pool: &DbPool) -> Result<()> {
    sqlx::query(INDEX_NAMES).bind(NAMES_PER_WRITE).execute(pool).await.map(|_| ()).map_err(failed)
}

/// The way to find names that contain `text`. `complete`: the index has all names.
pub(super) async fn search(pool: &DbPool, text: Option<&str>, complete: bool) -> Result<NameSearch> {
    let Some(text) = text else { return Ok(NameSearch::All) };
    let pattern = like_pattern(text);
    if !complete || text.chars().count() < TRIGRAM_CHARS {
        return Ok(NameSearch::EachRow(pattern));
    }
    let Some(count) = COUNT_NAMES else { return Ok(NameSearch::ByPattern(pattern)) };
    let phrase = format!("\"{}\"", text.replace('"', "\"\""));
    let query = sqlx::query_scalar::<_, i64>(count).bind(phrase.clone()).bind(MAX_INDEXED_NAMES + 1);
    let found = query.fetch_one(pool).await.map_err(failed)?;
    Ok(if found > MAX_INDEXED_NAMES { NameSearch::EachRow(pattern) } else { NameSearch::ByNumber(phrase) })
}

/// The pattern of LIKE, with a backslash as its escape.
fn like_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// Adds the condition that an index serves.
pub(super) fn indexed(builder: &mut QueryBuilder<Db>, search: &NameSearch) {
    match search {
        NameSearch::ByNumber(phrase) => {
            builder.push(" AND id IN (SELECT asset_id FROM asset_name_row WHERE row IN ");
            builder.push("(SELECT rowid FROM asset_name WHERE asset_name MATCH ").push_bind(phrase.clone()).push("))");
        }
        NameSearch::ByPattern(pattern) => like(builder, pattern),
        NameSearch::All | NameSearch::EachRow(_) => {}
    }
}

/// Adds the condition that examines each row.
pub(super) fn unindexed(builder: &mut QueryBuilder<Db>, search: &NameSearch) {
    if let NameSearch::EachRow(pattern) = search {
        like(builder, pattern);
    }
}

fn like(builder: &mut QueryBuilder<Db>, pattern: &str) {
    builder.push(" AND lower(name) LIKE lower(").push_bind(pattern.to_owned()).push(") ESCAPE '\\'");
}
