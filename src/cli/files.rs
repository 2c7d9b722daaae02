//! Reading the files a person wrote.

use crate::aws::Aws;
use crate::error::{Error, Kind};
use crate::lake::file;
use crate::model::problem::Problem;
use std::path::Path;

/// Why a file could not be read.
#[derive(Debug)]
pub enum Unread {
    /// It is missing or wrong; names it.
    Problem(Problem),
    /// It lies in S3, and S3 could not be asked.
    Unavailable(Error),
}

impl From<Problem> for Unread {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Whether `location` is an `s3://` URL and not a path.
pub fn is_s3(location: &str) -> bool {
    location.starts_with("s3://")
}

/// The file called `name` in the folder of the file at `location`.
pub fn beside(location: &str, name: &str) -> String {
    match location.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}

/// The whole file at a path or `s3://` URL, as UTF-8 text.
///
/// # Errors
/// What is wrong with it as a problem that names it: missing, unreadable, or the line of the first byte that is not
/// UTF-8; or that S3 could not be asked.
pub async fn read_text(location: &str, aws: &Aws) -> Result<String, Unread> {
    match bytes(location, aws).await? {
        Some(bytes) => Ok(text(location, bytes)?),
        None => Err(Problem::new(location, "no such file").into()),
    }
}

/// As [`read_text`]; `None` when there is no such file.
///
/// # Errors
/// It is there and cannot be read, or is not UTF-8; or S3 could not be asked.
pub async fn read_optional(location: &str, aws: &Aws) -> Result<Option<String>, Unread> {
    let found = bytes(location, aws).await?;
    Ok(found.map(|bytes| text(location, bytes)).transpose()?)
}

/// As [`read_text`], of a local file.
///
/// # Errors
/// What is wrong with it as a problem that names it.
pub fn read_local(path: &Path) -> Result<String, Problem> {
    let file = path.display().to_string();
    match local(&file)? {
        Some(bytes) => text(&file, bytes),
        None => Err(Problem::new(&file, "no such file")),
    }
}

async fn bytes(location: &str, aws: &Aws) -> Result<Option<Vec<u8>>, Unread> {
    if !is_s3(location) {
        return Ok(local(location)?);
    }
    match file::read(location, aws).await {
        Ok(found) => Ok(found.map(Vec::from)),
        Err(error) if error.kind() == Kind::Input => {
            let mut problem = Problem::new(location, &error);
            problem.hint = error.hint_text().map(str::to_owned);
            Err(problem.into())
        }
        Err(error) => Err(Unread::Unavailable(error.context(format!("read {location}")))),
    }
}

/// `None`: there is no such file. A link to nowhere is one that cannot be read.
fn local(file: &str) -> Result<Option<Vec<u8>>, Problem> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && std::fs::symlink_metadata(file).is_err() => Ok(None),
        Err(e) => Err(Problem::new(file, format_args!("cannot be read: {e}"))),
    }
}

fn text(file: &str, bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        let line = valid.filter(|byte| **byte == b'\n').count() as u64 + 1;
        let mut problem = Problem::new(file, "is not UTF-8");
        problem.line = Some(line);
        problem.hint("save it as UTF-8");
        problem
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_the_file_and_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collections.csv");
        assert!(read_local(&path).unwrap_err().to_string().ends_with("collections.csv: no such file"));
        std::fs::write(&path, b"database\nKlinik M\xfcnchen\n").unwrap();
        assert!(read_local(&path).unwrap_err().to_string().ends_with("collections.csv:2: is not UTF-8"));
        std::fs::write(&path, "München").unwrap();
        assert_eq!(read_local(&path).unwrap(), "München");
        let (location, aws) = (path.display().to_string(), Aws::of_variables(&[]));
        assert_eq!(read_optional(&location, &aws).await.unwrap().as_deref(), Some("München"));
        assert_eq!(read_optional(&beside(&location, "pins.csv"), &aws).await.unwrap(), None);
    }

    #[test]
    fn files_lie_beside_each_other_also_in_s3() {
        assert_eq!(beside("collections.csv", "pins.csv"), "pins.csv");
        assert_eq!(beside("a/collections.csv", "pins.csv"), "a/pins.csv");
        assert_eq!(beside("s3://bucket/a/collections.csv", "pins.csv"), "s3://bucket/a/pins.csv");
    }
}
