//! `report --dashboard`: every query of a folder, asked and made ready to be drawn.

mod cells;
mod front;

use super::clock;
use super::query::{self, reading};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::collection::CollectionSpec;
use crate::model::dashboard::{Chart, ChartKind, Dashboard, Grid};
use crate::model::settings::Settings;
use cells::Cells;
use front::Front;
use futures::TryStreamExt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The order in which subjects stand on the page; others follow by name.
const SUBJECTS: [&str; 5] = ["financial", "operational", "clinical", "administrative", "inventory"];

/// Asks every `.sql` file below `folder`.
///
/// # Errors
/// `Kind::Input` when there is no query, or one is not understood, with its file; else as [`query::rows`].
pub async fn dashboard(settings: &Settings, specs: &[CollectionSpec], folder: &Path) -> Result<Dashboard> {
    let mut charts = Vec::new();
    let mut facilities = BTreeMap::new();
    for path in files(folder)? {
        let file = path.display().to_string();
        let sql = std::fs::read_to_string(&path).or_error(Kind::Input, format!("read {file}"))?;
        let front = Front::of(&sql, &file)?;
        let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("").display().to_string();
        charts.push(chart(settings, specs, name, sql, front, &mut facilities).await.map_err(|e| e.context(&file))?);
    }
    let order = |subject: &str| SUBJECTS.iter().position(|known| *known == subject).unwrap_or(SUBJECTS.len());
    charts.sort_by_cached_key(|chart| (order(&chart.subject), chart.subject.clone()));
    let made_at = clock::rfc3339(clock::now().timestamp_millis()).unwrap_or_default();
    Ok(Dashboard { environment: settings.environment.clone(), made_at, facilities, charts })
}

async fn chart(
    settings: &Settings,
    specs: &[CollectionSpec],
    name: String,
    sql: String,
    front: Front,
    facilities: &mut BTreeMap<String, String>,
) -> Result<Chart> {
    let mut rows = query::rows(settings, specs, &sql, &[]).await?;
    let kind = front.kind.unwrap_or(ChartKind::Table);
    let mut cells = Cells::default();
    let mut grid = Grid { columns: Vec::new(), rows: Vec::new() };
    while let Some(batch) = rows.try_next().await.map_err(|e| reading(&e))? {
        facilities.extend(cells::names(&batch, &front, &name)?);
        match kind {
            ChartKind::Table => cells::grid(&mut grid, &batch)?,
            _ => cells.add(&batch, &front, &name)?,
        }
    }
    Ok(Chart {
        name,
        title: front.title,
        subject: front.subject,
        question: front.question,
        kind,
        unit: front.unit,
        x: front.x,
        series: front.series,
        dated: front.date.is_some(),
        by_facility: front.facility.is_some(),
        measures: front.measures,
        summed: front.summed,
        cells: cells.into_cells(),
        table: (kind == ChartKind::Table).then_some(grid),
        sql,
    })
}

/// The queries of `folder` and of the folders in it, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let what = || format!("read the folder {}", folder.display());
        let entries = std::fs::read_dir(&folder)
            .or_error(Kind::Input, what())
            .map_err(|e| e.hint("name a folder of .sql files with `--queries DIR`"))?;
        for entry in entries {
            let path = entry.or_error(Kind::Input, what())?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Error::new(Kind::Input, format!("{} holds no query", folder.display()))
            .hint("name a folder of .sql files with `--queries DIR`"));
    }
    Ok(found)
}
