//! Reading the files a person wrote.

use crate::model::problem::Problem;
use std::path::Path;

/// The whole file as UTF-8 text.
///
/// # Errors
/// What is wrong with it as a problem that names it: missing, unreadable, or the line of the first byte that is not
/// UTF-8.
pub fn read_text(path: &Path) -> Result<String, Problem> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Problem::new(&file, "no such file"),
        _ => Problem::new(&file, format_args!("cannot be read: {e}")),
    })?;
    String::from_utf8(bytes).map_err(|e| {
        let valid = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
        let line = valid.filter(|byte| **byte == b'\n').count() as u64 + 1;
        let mut problem = Problem::new(&file, "is not UTF-8");
        problem.line = Some(line);
        problem.hint("save it as UTF-8");
        problem
    })
}

/// As [`read_text`]; `None` when there is no such file.
///
/// # Errors
/// It is there and cannot be read, or is not UTF-8.
pub fn read_optional(path: &Path) -> Result<Option<String>, Problem> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => read_text(path).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_file_and_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collections.csv");
        assert!(read_text(&path).unwrap_err().to_string().ends_with("collections.csv: no such file"));
        std::fs::write(&path, b"database\nKlinik M\xfcnchen\n").unwrap();
        assert!(read_text(&path).unwrap_err().to_string().ends_with("collections.csv:2: is not UTF-8"));
        std::fs::write(&path, "München").unwrap();
        assert_eq!(read_text(&path).unwrap(), "München");
        assert_eq!(read_optional(&path).unwrap().as_deref(), Some("München"));
        assert_eq!(read_optional(&folder.path().join("pins.csv")).unwrap(), None);
    }
}
