//! One row of the manifest against what is at the source and in the lake.

use crate::error::Result;
use crate::extract::{CollectionKind, Described, Survey};
use crate::lake::{Lake, layout, state};
use crate::model::collection::{CollectionSpec, FieldPath, PartitionUnit};
use crate::model::finding::{Finding, Mark};
use crate::model::settings::Settings;
use crate::model::table::{self, TableSchema, TableSettings};
use crate::notify::words::{bytes as amount, several};
use crate::run::collection::settings_changed;
use crate::run::fields::{Field, Fields};

/// Documents looked at for the paths of a row.
const SAMPLE: usize = 200;

/// Looks at the collection, its index, its table's settings, and at every path of the row in a sample.
pub async fn look(
    settings: &Settings,
    spec: &CollectionSpec,
    survey: &dyn Survey,
    lake: Option<&Lake>,
) -> Vec<Finding> {
    let row = Row { spec, subject: spec.namespace.to_string() };
    let mut findings = Vec::new();
    if let Some(lake) = lake {
        findings.extend(row.table(settings, lake).await);
    }
    let described = match survey.describe(&spec.namespace, spec.timestamp_column.as_ref()).await {
        Ok(described) => described,
        Err(error) => {
            findings.push(Finding::of_error(&row.subject, "collection", &error));
            return findings;
        }
    };
    findings.push(row.collection(&described));
    findings.extend(row.index(&described));
    match survey.sample(&spec.namespace, &[], SAMPLE).await {
        Ok(sample) if sample.documents.is_empty() => {
            findings.push(row.says(Mark::Warning, "paths", "the collection is empty: no path can be looked at"));
        }
        Ok(sample) => findings.extend(row.paths(&Fields::of(&sample, settings.timezone))),
        Err(error) => {
            let finding = Finding::of_error(&row.subject, "paths", &error);
            findings.push(Finding { mark: Mark::Skipped, ..finding });
        }
    }
    findings
}

/// A row under examination.
struct Row<'a> {
    spec: &'a CollectionSpec,
    subject: String,
}

impl Row<'_> {
    fn says(&self, mark: Mark, what: &str, says: impl std::fmt::Display) -> Finding {
        Finding::new(mark, &self.subject, what, says)
    }

    fn collection(&self, described: &Described) -> Finding {
        let kind = match described.kind {
            CollectionKind::Collection => "",
            CollectionKind::View => "a view; ",
        };
        let size = match (described.documents, described.bytes) {
            (Some(documents), Some(bytes)) => format!("{}, {}", several(documents, "document"), amount(bytes)),
            (None, Some(bytes)) => amount(bytes),
            (Some(documents), None) => several(documents, "document"),
            (None, None) => "exists".to_owned(),
        };
        self.says(Mark::Ok, "collection", format!("{kind}{size}"))
    }

    /// A table that was made with other settings fails its next run.
    async fn table(&self, settings: &Settings, lake: &Lake) -> Option<Finding> {
        let key = layout::schema_key(&self.spec.namespace);
        let stored: Result<_> = state::load::<TableSchema>(lake, &key, table::FORMAT).await;
        let table = match stored {
            Ok(found) => found?.0,
            Err(error) => return Some(Finding::of_error(&self.subject, "table", &error)),
        };
        let now = TableSettings::of(self.spec, settings.timezone, settings.timestamps, settings.hash_key.as_ref());
        let differences = table.settings.differences(&now);
        if differences.is_empty() {
            return Some(self.says(Mark::Ok, "table", "its settings are those the table was made with"));
        }
        let error = settings_changed(&settings.named, self.spec, &differences);
        Some(Finding::of_error(&self.subject, "table", &error))
    }

    fn index(&self, described: &Described) -> Option<Finding> {
        let path = self.spec.timestamp_column.as_ref()?;
        Some(if described.timestamp_indexed? {
            self.says(Mark::Ok, "index", format!("windows are read over an index on {path}"))
        } else {
            self.says(Mark::Failed, "index", format!("no index on {path}: every window reads the whole collection"))
                .hint(self.spec.namespace.create_index(path))
        })
    }

    fn paths(&self, fields: &Fields) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(path) = &self.spec.timestamp_column {
            findings.push(self.path(fields, "timestamp_column", path, "a time", Mark::Failed, |field| field.timed));
        }
        for key in &self.spec.partition_by {
            findings.push(match key.unit {
                PartitionUnit::Value => {
                    self.path(fields, "partition_by", &key.path, "one plain value", Mark::Failed, |field| field.scalars)
                }
                _ => self.path(fields, "partition_by", &key.path, "a time", Mark::Failed, |field| field.timed),
            });
        }
        // Nothing breaks without them, but a slip of the pen would let into the lake what was to be kept out of it.
        for (column, paths) in [("exclude", &self.spec.exclude), ("hash", &self.spec.hash)] {
            for path in paths.iter().filter(|path| fields.at(path).present == 0) {
                let finding = self.says(Mark::Warning, column, format!("no document sampled has {path}"));
                findings.push(self.suggest(finding, fields, path, |_| true));
            }
        }
        findings
    }

    /// A path that documents must have, and how many of them do.
    fn path(
        &self,
        fields: &Fields,
        column: &str,
        path: &FieldPath,
        wanted: &str,
        without: Mark,
        counted: impl Fn(&Field) -> u64,
    ) -> Finding {
        let all = fields.documents;
        match counted(&fields.at(path)) {
            0 => {
                let says = format!("none of {all} documents sampled has {wanted} at {path}");
                self.suggest(self.says(without, column, says), fields, path, |field| counted(field) * 2 >= all)
            }
            some if some < all => {
                let says = format!("{} of {all} documents sampled have no {} at {path}", all - some, bare(wanted));
                let hint = match column {
                    "partition_by" => "they go to __HIVE_DEFAULT_PARTITION__",
                    _ => "the time in their ObjectId _id counts instead; without one only [run] full_every finds them",
                };
                self.says(Mark::Warning, column, says).hint(hint)
            }
            1 => self.says(Mark::Ok, column, format!("{path} has {wanted} in the one document sampled")),
            _ => self.says(Mark::Ok, column, format!("{path} has {wanted} in all {all} documents sampled")),
        }
    }

    fn suggest(&self, finding: Finding, fields: &Fields, path: &FieldPath, fits: impl Fn(&Field) -> bool) -> Finding {
        let line = self.spec.line;
        match fields.suggestion(path, fits) {
            Some(near) => finding.hint(format!("did you mean `{near}`? correct line {line} of the manifest")),
            None => finding.hint(format!("correct the path in line {line} of the manifest")),
        }
    }
}

/// `a time` → `time`
fn bare(wanted: &str) -> &str {
    wanted.split_once(' ').map_or(wanted, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::RawBatch;
    use crate::model::collection::PartitionKey;
    use crate::run::test_lake::spec;
    use bson::{DateTime, rawdoc};
    use bytes::Bytes;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse(text).unwrap()
    }

    #[test]
    fn every_path_of_a_row_is_looked_for() {
        let at = DateTime::from_millis(1_000);
        let documents = [
            rawdoc! { "_id": 1, "updated_at": at, "created_at": at, "facility": { "id": "F1" }, "phone": "1" },
            rawdoc! { "_id": 2, "updated_at": at, "created_at": at, "facility": { "id": { "a": 1 } }, "phone": "1" },
        ];
        let documents = documents.into_iter().map(|document| Bytes::from(document.into_bytes())).collect();
        let fields = Fields::of(&RawBatch { documents }, chrono_tz::UTC);
        let key = |unit, text| PartitionKey { name: "k".into(), unit, path: path(text) };
        let mut spec = spec("bills");
        spec.timestamp_column = Some(path("updatedAt"));
        spec.partition_by = vec![key(PartitionUnit::Day, "created_at"), key(PartitionUnit::Value, "facility.id")];
        spec.hash = vec![path("phone"), path("fone")];
        let row = Row { spec: &spec, subject: "hospital.bills".into() };
        let found = row.paths(&fields);
        let marks: Vec<(&str, Mark)> = found.iter().map(|f| (f.what.as_str(), f.mark)).collect();
        assert_eq!(
            marks,
            [
                ("timestamp_column", Mark::Failed),
                ("partition_by", Mark::Ok),
                ("partition_by", Mark::Warning),
                ("hash", Mark::Warning),
            ],
            "{found:#?}"
        );
        assert_eq!(found[0].hint.as_deref(), Some("did you mean `updated_at`? correct line 2 of the manifest"));
        assert_eq!(found[3].hint.as_deref(), Some("did you mean `phone`? correct line 2 of the manifest"));
    }
}
