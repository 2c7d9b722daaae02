//! The corpus in `tests/corpus/`: one BSON document (or what was one) per file; files whose names differ only in the
//! number behind the last `-` are batches of one case, in that order.

use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Cases by name.
pub struct Corpus(BTreeMap<String, Vec<Vec<u8>>>);

impl Corpus {
    /// Reads all of it.
    pub fn load() -> Self {
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder()).expect("tests/corpus").map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "bson"));
        files.sort();
        let mut cases: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for path in files {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a readable name");
            let case = match stem.rsplit_once('-') {
                Some((case, number)) if number.parse::<u32>().is_ok() => case,
                _ => stem,
            };
            cases.entry(case.to_owned()).or_default().push(fs::read(&path).expect("read a case"));
        }
        assert!(cases.len() > 30, "the corpus is gone: {} cases", cases.len());
        Self(cases)
    }

    /// In order of their names.
    pub fn cases(&self) -> impl Iterator<Item = (&String, &Vec<Vec<u8>>)> {
        self.0.iter()
    }

    /// Every document of every case.
    pub fn documents(&self) -> Vec<Vec<u8>> {
        self.0.values().flatten().cloned().collect()
    }

    /// Writes a case that went wrong; its name.
    pub fn keep(case: &[Vec<u8>]) -> String {
        let hash: String = Sha256::digest(case.concat()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        for (number, document) in (1..).zip(case) {
            fs::write(folder().join(format!("found-{hash}-{number}.bson")), document).expect("keep a finding");
        }
        format!("found-{hash}")
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}
