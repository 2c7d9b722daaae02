//! The hospital as a mongodump folder.
//!
//! ```text
//! <out>/synth.json                          whose folder this is: seed, scale, days written
//! <out>/hospital/<collection>.bson          documents, back to back
//! <out>/hospital/<collection>.metadata.json options and indexes
//! <out>/dump.json                           when the dump was "started": the end of the last simulated day
//! ```
//!
//! A collection's file is a pure function of the state, so an advance writes the later day's file whole: what it yields
//! is byte for byte what a new generation would. Each file is written aside and renamed, `dump.json` last; a kill leaves
//! old and new files side by side, and the next start replaces all of them.

use super::hospital::{Collection, Hospital};
use super::state::State;
use super::{DATABASE, SynthOptions, SynthReport, calendar, start_state};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::progress::Progress;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const STATE: &str = "synth.json";
const DUMP: &str = "dump.json";
/// The ending of files still being written.
const ASIDE: &str = ".partial";

/// Writes or advances the hospital in the folder `out`.
pub fn write(out: &Path, options: &SynthOptions, progress: &dyn Progress) -> Result<SynthReport> {
    let stored = owned(out)?;
    let (state, days) = start_state(stored.as_ref(), options)?;
    let folder = out.join(DATABASE);
    fs::create_dir_all(&folder).or_error(Kind::Unavailable, format!("create {}", folder.display()))?;
    put(&out.join(STATE), state.towards(days).text()?.as_bytes())?;

    let hospital = Hospital::new(state.seed, state.scale, days);
    let mut report = SynthReport::new(&hospital, state.days);
    for collection in Collection::ALL {
        let (documents, bytes) = write_collection(&folder, &hospital, collection, progress)?;
        report.add(collection, documents, bytes);
    }
    put(&out.join(STATE), state.at(days).text()?.as_bytes())?;
    let started = serde_json::json!({ "started_at": calendar::rfc3339(hospital.now()) });
    put(&out.join(DUMP), started.to_string().as_bytes())?;
    Ok(report)
}

/// The state of the hospital in `out`; `None` for a folder that is missing or empty. Anything else is refused.
fn owned(out: &Path) -> Result<Option<State>> {
    let path = out.join(STATE);
    let reading = |path: &Path| format!("read {}", path.display());
    let entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error)
                .or_error(Kind::Unavailable, reading(out))
                .map_err(|e| e.hint("--out names a folder, or the URI of a MongoDB"));
        }
    };
    let mut empty = true;
    for entry in entries {
        let entry = entry.or_error(Kind::Unavailable, reading(out))?;
        empty = false;
        if ![STATE, DUMP, DATABASE].iter().any(|name| is_named(&entry.file_name().to_string_lossy(), name)) {
            return Err(foreign(&entry.path()));
        }
    }
    if empty {
        return Ok(None);
    }
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(foreign(out)),
        Err(error) => return Err(error).or_error(Kind::Unavailable, reading(&path)),
    };
    let state = State::parse(&text, &path.display().to_string())?;
    let folder = out.join(DATABASE);
    for entry in fs::read_dir(&folder).into_iter().flatten() {
        let entry = entry.or_error(Kind::Unavailable, reading(&folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours =
            Collection::ALL.iter().flat_map(|collection| file_names(*collection)).any(|file| is_named(&name, &file));
        if !ours {
            return Err(foreign(&entry.path()));
        }
    }
    Ok(Some(state))
}

fn is_named(found: &str, ours: &str) -> bool {
    found.strip_suffix(ASIDE).unwrap_or(found) == ours
}

fn file_names(collection: Collection) -> [String; 2] {
    let name = collection.name();
    [format!("{name}.bson"), format!("{name}.metadata.json")]
}

fn foreign(path: &Path) -> Error {
    Error::new(Kind::Input, format!("{} was not written by synth", path.display()))
        .hint("choose an empty or new folder for --out; synth only replaces its own files")
}

fn write_collection(
    folder: &Path,
    hospital: &Hospital,
    collection: Collection,
    progress: &dyn Progress,
) -> Result<(u64, u64)> {
    let namespace = super::namespace(collection);
    progress.start(&namespace, None, None);
    let [data, metadata] = file_names(collection).map(|name| folder.join(name));
    let (mut documents, mut bytes) = (0, 0);
    let aside = aside(&data);
    let writing = || format!("write {}", data.display());
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&aside).or_error(Kind::Unavailable, writing())?);
    hospital.documents(collection, None, &mut |document| {
        let raw = document.to_vec().or_error(Kind::Invariant, writing())?;
        file.write_all(&raw).or_error(Kind::Unavailable, writing())?;
        documents += 1;
        bytes += raw.len() as u64;
        progress.read(&namespace, 1, raw.len() as u64);
        Ok(())
    })?;
    let file = file.into_inner().map_err(|e| e.into_error()).or_error(Kind::Unavailable, writing())?;
    finish(&file, &aside, &data)?;
    put(&metadata, super::metadata(collection).to_string().as_bytes())?;
    progress.finish(&namespace, "ok");
    Ok((documents, bytes))
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ASIDE);
    PathBuf::from(name)
}

/// Replaces a small file in one step.
fn put(path: &Path, text: &[u8]) -> Result<()> {
    let aside = aside(path);
    let writing = || format!("write {}", path.display());
    let mut file = File::create(&aside).or_error(Kind::Unavailable, writing())?;
    file.write_all(text).or_error(Kind::Unavailable, writing())?;
    finish(&file, &aside, path)
}

fn finish(file: &File, aside: &Path, path: &Path) -> Result<()> {
    let writing = || format!("write {}", path.display());
    file.sync_all().or_error(Kind::Unavailable, writing())?;
    fs::rename(aside, path).or_error(Kind::Unavailable, writing())
}
