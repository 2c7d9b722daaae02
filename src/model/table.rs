//! A table's schema as the lake keeps it: what was seen, the columns that follow from it, and when they changed.

use super::collection::CollectionSpec;
use super::column::{Column, ColumnType};
use super::pin::Pin;
use super::secret::Secret;
use super::seen::{Kind, KindSet, Seen, Sighting};
use super::settings::Timestamps;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Version of the schema file's JSON.
pub const FORMAT: u32 = 1;
/// The identity of a row.
pub const ID: &str = "_id";
/// Milliseconds UTC of the last modification.
pub const MODIFIED: &str = "_modified_ms";
/// Exact originals of values that had to change.
pub const MISFITS: &str = "_misfits";

/// Settings that a table is made with and that must not change under it; plain texts, as the operator wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSettings {
    /// IANA name of the timezone in which days are cut.
    pub timezone: String,
    /// `local` or `utc`.
    pub timestamps: String,
    /// Dotted path of the last-modified field; empty: none.
    pub timestamp_column: String,
    /// `partition_by` of the manifest.
    pub partition_by: String,
    /// Names of the partition keys.
    pub partition_keys: Vec<String>,
    /// Sorted dotted paths.
    pub exclude: Vec<String>,
    /// Sorted dotted paths.
    pub hash: Vec<String>,
    /// What tells the key of the hashes from another one, without being any use to who looks for it; empty without hashes,
    /// and in states of before it was kept.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash_key: String,
    /// Sorted by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
}

impl TableSettings {
    /// The settings of a manifest row in an environment.
    pub fn of(
        spec: &CollectionSpec,
        timezone: chrono_tz::Tz,
        timestamps: Timestamps,
        hash_key: Option<&Secret>,
    ) -> Self {
        let sorted = |paths: &[super::collection::FieldPath]| {
            let mut texts: Vec<String> = paths.iter().map(ToString::to_string).collect();
            texts.sort();
            texts
        };
        let mut pins = spec.pins.clone();
        pins.sort();
        Self {
            timezone: timezone.name().to_owned(),
            timestamps: match timestamps {
                Timestamps::Local => "local".to_owned(),
                Timestamps::Utc => "utc".to_owned(),
            },
            timestamp_column: spec.timestamp_column.as_ref().map(ToString::to_string).unwrap_or_default(),
            partition_by: spec.partition_text.clone(),
            partition_keys: spec.partition_by.iter().map(|key| key.name.clone()).collect(),
            exclude: sorted(&spec.exclude),
            hash: sorted(&spec.hash),
            hash_key: hash_key.filter(|_| !spec.hash.is_empty()).map(|key| key.mark(b"lakefold")).unwrap_or_default(),
            pins,
        }
    }

    /// What differs from `other`, one line a setting, `self` being the table's and `other` the operator's.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let pins = |settings: &Self| settings.pins.iter().map(ToString::to_string).collect::<Vec<_>>().join(";");
        let pairs = [
            ("timezone", self.timezone.clone(), other.timezone.clone()),
            ("timestamps", self.timestamps.clone(), other.timestamps.clone()),
            ("timestamp_column", self.timestamp_column.clone(), other.timestamp_column.clone()),
            ("partition_by", self.partition_by.clone(), other.partition_by.clone()),
            ("exclude", self.exclude.join(";"), other.exclude.join(";")),
            ("hash", self.hash.join(";"), other.hash.join(";")),
            ("pins", pins(self), pins(other)),
        ];
        // Hashes under two keys cannot be joined. A table whose key is not on record is taken to have this one.
        let keys = [&self.hash_key, &other.hash_key];
        let rekeyed = keys.iter().all(|key| !key.is_empty()) && self.hash_key != other.hash_key;
        pairs
            .into_iter()
            .filter(|(_, table, now)| table != now)
            .map(|(name, table, now)| {
                format!("{name}: the table was made with {}, now it is {}", shown(&table), shown(&now))
            })
            .chain(rekeyed.then(|| "hash_key: the table was made with another one".to_owned()))
            .collect()
    }
}

/// A kind of `_id`, with the version of the schema it appeared at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdKind {
    /// What was seen and how often.
    #[serde(flatten)]
    pub sighting: Sighting,
    /// Files of an older version hold no such id.
    pub since: u64,
}

/// A setting in backquotes; one that says nothing is `nothing`, without.
fn shown(setting: &str) -> String {
    if setting.is_empty() { "nothing".to_owned() } else { format!("`{setting}`") }
}

/// A column that appeared or changed, for the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The version that has the new type.
    pub version: u64,
    /// Folded names from the top.
    pub path: Vec<String>,
    /// Type before, as Glue spells it; none: the column is new.
    pub from: Option<String>,
    /// Type since then.
    pub to: String,
    /// The run that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// The schema of a table, persisted as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// [`FORMAT`]
    pub format: u32,
    /// Grows whenever a file's columns or the spelling of its `_id`s change.
    pub version: u64,
    /// What the table was made with.
    pub settings: TableSettings,
    /// Kinds of `_id` in order of first appearance.
    pub ids: Vec<IdKind>,
    /// Everything seen below the top of the documents.
    pub seen: Seen,
    /// The data columns that follow from `seen`, in order of first appearance.
    pub columns: Vec<Column>,
    /// Whether the table has a `_misfits` column.
    pub misfits: bool,
    /// Columns that appeared or changed, oldest first.
    pub history: Vec<Change>,
}

impl TableSchema {
    /// The schema of a table nobody has written to.
    pub fn new(settings: TableSettings) -> Self {
        Self {
            format: FORMAT,
            version: 0,
            settings,
            ids: Vec::new(),
            seen: Seen::default(),
            columns: Vec::new(),
            misfits: false,
            history: Vec::new(),
        }
    }

    /// The schema a table starts again from when all of its files are replaced: new settings, columns still to be
    /// made, and everything seen so far unless it is to be forgotten, or must not be known any more: what is excluded, and
    /// what has stood where hashes will stand. Versions go on, so that files tell old from new.
    #[must_use]
    pub fn rebuilt(&self, settings: TableSettings, forget: bool) -> Self {
        let empty = Self { version: self.version, ..Self::new(settings) };
        if forget {
            return empty;
        }
        let mut seen = self.seen.clone();
        let settings = &empty.settings;
        let hashed = settings.hash.iter().filter(|path| !self.settings.hash.contains(path));
        for path in settings.exclude.iter().chain(hashed) {
            seen.forget(&path.split('.').collect::<Vec<_>>());
        }
        Self { ids: self.ids.clone(), seen, ..empty }
    }

    /// The schema of a data file: `_id`, `_modified_ms` where there is a timestamp column, the data columns, `_misfits`
    /// where needed; all nullable, no partition keys.
    pub fn arrow(&self) -> SchemaRef {
        let mut fields = vec![Field::new(ID, self.id_type(), true)];
        if self.has_modified() {
            fields.push(Field::new(MODIFIED, DataType::Int64, true));
        }
        fields.extend(self.columns.iter().map(|column| column.arrow(self.is_local())));
        if self.misfits {
            fields.push(Field::new(MISFITS, DataType::Utf8, true));
        }
        Arc::new(Schema::new(fields))
    }

    /// The schema with `run_id` noted at every change that no earlier run brought.
    #[must_use]
    pub fn brought_by(mut self, run_id: &str) -> Self {
        for change in self.history.iter_mut().filter(|change| change.run.is_none()) {
            change.run = Some(run_id.to_owned());
        }
        self
    }

    /// Whether rows carry their modified time.
    pub fn has_modified(&self) -> bool {
        !self.settings.timestamp_column.is_empty()
    }

    /// Whether times are wall clock.
    pub fn is_local(&self) -> bool {
        self.settings.timestamps == "local"
    }

    /// The kinds of `_id` that files written at `version` can hold.
    pub fn id_kinds(&self, version: u64) -> KindSet {
        let mut kinds = KindSet::default();
        for id in self.ids.iter().filter(|id| id.since <= version) {
            kinds.insert(id.sighting.kind);
        }
        kinds
    }

    /// The Arrow type of `_id`: numbers and booleans alone keep their own column, everything else is text.
    ///
    /// Times are text too: a wall clock repeats an hour, and two ids must never fold into one.
    pub fn id_type(&self) -> DataType {
        let kinds = self.id_kinds(self.version);
        if kinds.is_empty() {
            return DataType::Utf8;
        }
        let only = |kind| kinds.within(KindSet::of(&[kind]));
        match () {
            () if only(Kind::Int) => DataType::Int64,
            () if only(Kind::Double) => DataType::Float64,
            () if only(Kind::Boolean) => DataType::Boolean,
            () => DataType::Utf8,
        }
    }

    /// Type of the top-level column `name` as Glue spells it.
    pub fn glue_type(&self, name: &str) -> Option<String> {
        let of = |data_type: &DataType| match data_type {
            DataType::Int64 => "bigint",
            DataType::Float64 => "double",
            DataType::Boolean => "boolean",
            _ => "string",
        };
        match name {
            ID => Some(of(&self.id_type()).to_owned()),
            MODIFIED if self.has_modified() => Some("bigint".to_owned()),
            MISFITS if self.misfits => Some("string".to_owned()),
            _ => self.column(name).map(ToString::to_string),
        }
    }

    /// The type of the data column `name`.
    pub fn column(&self, name: &str) -> Option<&ColumnType> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.kind)
    }
}
