//! Every key lakefold writes, built and parsed in one place; pure.
//!
//! Keys are `/`-separated and relative to the lake's root. Database and collection are folded
//! ([`Namespace::folder`]); partition folders come already escaped.

use crate::model::collection::Namespace;
use crate::model::names::{fold, hash8};

/// Folder of everything that is not data. No table can be inside it: [`is_reserved`].
pub const STATE: &str = "_lakefold";

/// Where local files are written aside, outside every table folder, before they are renamed into place.
pub const TMP: &str = "_lakefold/tmp";

/// Name of the one data file of a partition (P2).
pub const DATA_FILE: &str = "data.parquet";

/// Whether tables of this database would land among lakefold's own state.
pub fn is_reserved(database: &str) -> bool {
    fold(database) == STATE
}

/// A key as messages may show it (P10): values of partition keys come from documents, so that all but dates are shown
/// by the first 8 hex digits of their SHA-256.
pub fn shown(key: &str) -> String {
    let level = |folder: &str| match folder.split_once('=') {
        Some((name, value)) if !is_date(value) => format!("{name}={}", hash8(value.as_bytes())),
        _ => folder.to_owned(),
    };
    key.split('/').map(level).collect::<Vec<_>>().join("/")
}

/// `2024`, `2024-05`, `2024-05-01`, `2024-05-01T13`, or the folder of rows without a value.
fn is_date(value: &str) -> bool {
    let shape: String = value.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    matches!(shape.as_str(), "9999" | "9999-99" | "9999-99-99" | "9999-99-99T99" | "__HIVE_DEFAULT_PARTITION__")
}

/// The table's folder with a `/` at its end: what a listing of the table starts with.
pub fn table_prefix(ns: &Namespace) -> String {
    format!("{}/", ns.folder())
}

/// The data file of one partition: `db/coll/date=2024-05-01/data.parquet`, or `db/coll/data.parquet` for `""`.
pub fn data_key(ns: &Namespace, partition: &str) -> String {
    if partition.is_empty() {
        format!("{}/{DATA_FILE}", ns.folder())
    } else {
        format!("{}/{partition}/{DATA_FILE}", ns.folder())
    }
}

/// The partition text of a data key, `""` for an unpartitioned table; `None`: not a data file lakefold wrote.
pub fn partition_of(key: &str) -> Option<&str> {
    let (database, rest) = key.split_once('/')?;
    let (_, rest) = rest.split_once('/')?;
    if database == STATE {
        return None;
    }
    let partition = match rest.strip_suffix(DATA_FILE)? {
        "" => "",
        folders => folders.strip_suffix('/')?,
    };
    let named = |folder: &str| folder.split_once('=').is_some_and(|(name, _)| !name.is_empty());
    (partition.is_empty() || partition.split('/').all(named)).then_some(partition)
}

/// The values of a partition's folders as readers know them, escapes put back; `__HIVE_DEFAULT_PARTITION__` stays, which
/// is how a catalog spells that there is no value.
pub fn partition_values(folders: &str) -> Vec<String> {
    folders.split('/').filter_map(|folder| folder.split_once('=')).map(|(_, value)| unescaped(value)).collect()
}

/// `%XX` put back; what is no such escape, or gives no UTF-8, stays as it is.
pub fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| after.first_chunk::<2>())
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

/// URL of a folder of the lake at `lake_url`; `key` ends in `/`. Athena and Glue take the path of a URL as the key it
/// is, percent signs included, while the lake's own is escaped; one of a disk is a path already.
pub fn folder_url(lake_url: &str, key: &str) -> String {
    let lake_url = lake_url.trim_end_matches('/');
    if lake_url.starts_with("file:") { format!("{lake_url}/{key}") } else { format!("{}/{key}", unescaped(lake_url)) }
}

/// How far the collection has been read.
pub fn watermark_key(ns: &Namespace) -> String {
    format!("{STATE}/watermarks/{}.csv", ns.folder())
}

/// The table's schema state.
pub fn schema_key(ns: &Namespace) -> String {
    format!("{STATE}/schemas/{}.json", ns.folder())
}

/// Folder, ending in `/`, of the journals: empty when no run has died.
pub fn journal_prefix() -> String {
    format!("{STATE}/journal/")
}

/// The unfinished run of the collection, when there is one.
pub fn journal_key(ns: &Namespace) -> String {
    format!("{}{}.json", journal_prefix(), ns.folder())
}

/// Folder, ending in `/`, of what full reads that died have left to be gone on with.
pub fn staged_root() -> String {
    format!("{STATE}/staged/")
}

/// Folder, ending in `/`, of what a full read of the collection has staged.
pub fn staged_prefix(ns: &Namespace) -> String {
    format!("{}{}/", staged_root(), ns.folder())
}

/// How far that read has got.
pub fn staged_key(ns: &Namespace) -> String {
    format!("{}state.json", staged_prefix(ns))
}

/// Folder, ending in `/`, of the cache that finds an id's old place.
pub fn index_prefix(ns: &Namespace) -> String {
    format!("{STATE}/index/{}/", ns.folder())
}

/// What the catalog is still owed of a database.
pub fn catalog_key(database: &str) -> String {
    format!("{STATE}/catalog/{}.json", fold(database))
}

/// What the lease on a part of the catalog is called: no collection is of that database.
pub fn catalog_lease(group: &str) -> Namespace {
    Namespace { database: STATE.to_owned(), collection: group.to_owned() }
}

/// The lease of the collection in an object store.
pub fn lease_key(ns: &Namespace) -> String {
    format!("{STATE}/leases/{}.json", ns.folder())
}

/// The lock that is the lease of the collection on a local disk.
pub fn lock_key(ns: &Namespace) -> String {
    format!("{STATE}/leases/{}.lock", ns.folder())
}

/// An object that `check` writes, reads and removes again.
pub fn probe_key(run_id: &str) -> String {
    format!("{STATE}/check/{run_id}")
}

/// Folder of the run records.
pub const RUNS: &str = "_lakefold/runs";

/// The record of a run.
pub fn run_key(run_id: &str) -> String {
    crate::model::record::key(run_id)
}

/// The run whose record is at `key`; `None`: not a key of a record.
pub fn run_of(key: &str) -> Option<&str> {
    key.strip_prefix(RUNS)?.strip_prefix('/')?.strip_suffix(".json")
}

/// Folder, ending in `/`, of the documents of all runs that could not be read.
pub fn quarantine_prefix(ns: &Namespace) -> String {
    format!("{STATE}/quarantine/{}/", ns.folder())
}

/// Documents of a run that could not be read, byte for byte (`bson`) or their reasons (`jsonl`).
pub fn quarantine_key(ns: &Namespace, run_id: &str, extension: &str) -> String {
    format!("{}{run_id}.{extension}", quarantine_prefix(ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_show_dates_and_no_other_values() {
        assert_eq!(shown("h/bills/date=2024-05-01/data.parquet"), "h/bills/date=2024-05-01/data.parquet");
        let phone = shown("h/patients/phone=9800011122/data.parquet");
        assert!(phone.starts_with("h/patients/phone=") && !phone.contains("98000"), "{phone}");
    }

    fn ns() -> Namespace {
        Namespace { database: "Hospital".into(), collection: "lab.Results".into() }
    }

    #[test]
    fn keys_are_folded_and_fixed() {
        assert_eq!(data_key(&ns(), ""), "hospital/lab_results/data.parquet");
        assert_eq!(
            data_key(&ns(), "date=2024-05-01/id1=FAC%20001"),
            "hospital/lab_results/date=2024-05-01/id1=FAC%20001/data.parquet"
        );
        assert_eq!(table_prefix(&ns()), "hospital/lab_results/");
        assert_eq!(watermark_key(&ns()), "_lakefold/watermarks/hospital/lab_results.csv");
        assert_eq!(schema_key(&ns()), "_lakefold/schemas/hospital/lab_results.json");
        assert_eq!(journal_key(&ns()), "_lakefold/journal/hospital/lab_results.json");
        assert_eq!(index_prefix(&ns()), "_lakefold/index/hospital/lab_results/");
        assert_eq!(catalog_key("Hospital"), "_lakefold/catalog/hospital.json");
        assert_eq!(lease_key(&ns()), "_lakefold/leases/hospital/lab_results.json");
        assert_eq!(lock_key(&ns()), "_lakefold/leases/hospital/lab_results.lock");
        assert_eq!(run_key("R"), "_lakefold/runs/R.json");
        assert_eq!((run_of("_lakefold/runs/R.json"), run_of("_lakefold/runs/R.txt")), (Some("R"), None));
        assert_eq!(quarantine_key(&ns(), "R", "bson"), "_lakefold/quarantine/hospital/lab_results/R.bson");
    }

    #[test]
    fn partitions_are_found_in_their_keys() {
        for partition in ["", "date=2024-05-01", "date=2024-05-01/id1=FAC%2F001", "id1=__HIVE_DEFAULT_PARTITION__"] {
            assert_eq!(partition_of(&data_key(&ns(), partition)), Some(partition));
        }
        for other in [
            "hospital/lab_results/part-0.parquet",
            "hospital/lab_results/stray/data.parquet",
            "hospital/lab_results/xdata.parquet",
            "hospital/data.parquet",
            "_lakefold/index/data.parquet",
        ] {
            assert_eq!(partition_of(other), None, "{other}");
        }
    }

    #[test]
    fn damaged_escapes_stay_as_they_are() {
        assert_eq!(partition_values("date=2024-05-01/id1=A%2FB%20%C3%A9"), ["2024-05-01", "A/B é"]);
        assert_eq!(unescaped("100%"), "100%");
        assert_eq!(unescaped("%zz%4"), "%zz%4");
        assert_eq!(unescaped("%ff"), "%ff");
        // What is escaped in a key is so in the store too.
        let url = folder_url("s3://bucket/Cl%C3%ADnica%20Norte/", "h/c/site=a%20b/");
        assert_eq!(url, "s3://bucket/Clínica Norte/h/c/site=a%20b/");
        assert_eq!(folder_url("file:/lakes/100%25", "h/c/"), "file:/lakes/100%25/h/c/");
    }

    #[test]
    fn no_table_lands_among_the_state() {
        assert!(is_reserved("_lakefold") && is_reserved("_LakeFold"));
        assert!(!is_reserved("lakefold"));
    }
}
